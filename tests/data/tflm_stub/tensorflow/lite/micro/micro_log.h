#ifndef STUB_MICRO_LOG_H_
#define STUB_MICRO_LOG_H_

#include <cstdarg>
#include <cstdio>

__attribute__((format(printf, 1, 2))) inline void MicroPrintf(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  std::vprintf(format, arguments);
  va_end(arguments);
  std::printf("\n");
}

#endif  // STUB_MICRO_LOG_H_
