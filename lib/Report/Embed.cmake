# cmake -DIN=FILE -DOUT=FILE -P Embed.cmake: the text of IN as a C++ raw string literal, for #include in an initialiser.
file(READ ${IN} text)
if(text MATCHES "\\)BWPAGE\"")
  message(FATAL_ERROR "${IN} contains the end mark of the literal that it is put into")
endif()
file(WRITE ${OUT} "R\"BWPAGE(${text})BWPAGE\"\n")
