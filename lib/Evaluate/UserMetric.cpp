//===- UserMetric.cpp - a loss that another process computes ------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "lib/Evaluate/UserMetric.h"
#include "lib/Formats/Npy.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include <cerrno>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace bitwright;

constexpr llvm::StringLiteral endedEarly =
    "ended without an answer; expected a line with a number for each request (see its messages above)";

llvm::Error UserMetric::failure(const llvm::Twine &text) const {
  return llvm::createStringError("--metric '" + command + "': " + text);
}

llvm::Expected<std::unique_ptr<UserMetric>> UserMetric::start(llvm::StringRef command, double timeout) {
  std::unique_ptr<UserMetric> metric(new UserMetric);
  metric->command = command.str();
  metric->timeout = timeout;
  llvm::SmallString<128> folder;
  if (std::error_code error = llvm::sys::fs::createUniqueDirectory("bitwright-metric", folder))
    return metric->failure("no temporary folder: " + error.message());
  metric->folder = folder.str().str();
  // A socket, as writing to one whose other end is gone can be told not to raise a signal.
  int to[2], from[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, to))
    return metric->failure("no socket: " + llvm::Twine(std::strerror(errno)));
  if (pipe2(from, O_CLOEXEC)) {
    close(to[0]);
    close(to[1]);
    return metric->failure("no pipe: " + llvm::Twine(std::strerror(errno)));
  }
  metric->input = to[0];
  metric->output = from[0];
  const char *arguments[] = {"/bin/sh", "-c", metric->command.c_str(), nullptr};
  metric->child = fork();
  if (metric->child == 0) {
    dup2(to[1], 0);
    dup2(from[1], 1);
    execv(arguments[0], const_cast<char **>(arguments));
    _exit(127);
  }
  close(to[1]);
  close(from[1]);
  if (metric->child < 0)
    return metric->failure("cannot be started: " + llvm::Twine(std::strerror(errno)));
  return metric;
}

UserMetric::~UserMetric() {
  if (input >= 0)
    close(input);
  if (output >= 0)
    close(output);
  // Its input is closed, which ends it; one that does not listen is ended.
  for (int i = 0; child > 0 && i < 200; ++i) {
    if (waitpid(child, nullptr, WNOHANG) != 0)
      child = -1;
    else
      usleep(10000);
  }
  if (child > 0) {
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
  }
  if (!folder.empty())
    llvm::sys::fs::remove_directories(folder);
}

llvm::Expected<std::string> UserMetric::readLine() {
  auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(timeout);
  while (true) {
    if (size_t at = pending.find('\n'); at != std::string::npos) {
      std::string line = pending.substr(0, at);
      pending.erase(0, at + 1);
      return line;
    }
    double left = std::chrono::duration<double>(end - std::chrono::steady_clock::now()).count();
    pollfd waiting = {output, POLLIN, 0};
    int ready = left <= 0 ? 0 : poll(&waiting, 1, int(left * 1000) + 1);
    if (ready < 0 && errno == EINTR)
      continue;
    if (ready == 0)
      return failure("no answer within " + llvm::Twine(int(timeout)) + " seconds");
    char buffer[4096];
    ssize_t size = read(output, buffer, sizeof buffer);
    if (size < 0 && errno == EINTR)
      continue;
    if (size <= 0)
      return failure(endedEarly);
    pending.append(buffer, size_t(size));
  }
}

llvm::Expected<double> UserMetric::ask(llvm::StringRef request, const std::vector<std::string> &names,
                                       const std::vector<std::vector<EvaluatedOutput>> &outputs) {
  std::vector<formats::NamedArray> arrays;
  for (size_t sample = 0; sample < outputs.size(); ++sample)
    for (size_t i = 0; i < outputs[sample].size(); ++i) {
      const EvaluatedOutput &value = outputs[sample][i];
      formats::NamedArray &named = arrays.emplace_back();
      named.name = names[i] + ":" + std::to_string(sample);
      named.array.shape = value.shape;
      named.array.data.resize(value.values.size() * 4);
      std::memcpy(named.array.data.data(), value.values.data(), named.array.data.size());
    }
  std::string path = folder + "/" + std::to_string(count++) + ".npz", error;
  if (!formats::writeNpz(path, arrays, error))
    return failure(error);
  std::string line = (request + " " + path + "\n").str();
  for (size_t sent = 0; sent < line.size();) {
    ssize_t size = send(input, line.data() + sent, line.size() - sent, MSG_NOSIGNAL);
    if (size < 0 && errno == EINTR)
      continue;
    if (size <= 0)
      return failure(endedEarly);
    sent += size_t(size);
  }
  auto answer = readLine();
  llvm::sys::fs::remove(path);
  if (!answer)
    return answer.takeError();
  llvm::StringRef text = llvm::StringRef(*answer).trim();
  if (text.consume_front("error"))
    return failure("answered with an error: " + (text.empty() ? llvm::StringRef("no text") : text.trim()));
  double value;
  if (text.getAsDouble(value) || !std::isfinite(value))
    return failure("expected a finite number or 'error TEXT' as the answer to '" + request + "', found '" + text + "'");
  return value;
}
