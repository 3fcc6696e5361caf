#ifndef STUB_MICRO_INTERPRETER_H_
#define STUB_MICRO_INTERPRETER_H_

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <vector>

#include "tensorflow/lite/c/common.h"
#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"
#include "tensorflow/lite/schema/schema_generated.h"

#define TFLITE_SCHEMA_VERSION (3)

namespace tflite {

template <typename T>
const T* GetTensorData(const TfLiteTensor* tensor) {
  return reinterpret_cast<const T*>(tensor->data.raw);
}

// Its tensors have the sizes in STUB_INPUT_BYTES and STUB_OUTPUT_BYTES, and it needs an arena of STUB_ARENA bytes.
class MicroInterpreter {
 public:
  MicroInterpreter(const Model* model, const MicroOpResolver& resolver, uint8_t* arena, size_t arena_size)
      : enough_(model != nullptr && resolver.whole() && arena != nullptr &&
                arena_size >= std::strtoul(Get("STUB_ARENA"), nullptr, 10)),
        outputs_file_(Get("STUB_OUTPUTS"), std::ios::binary) {
    Make("STUB_INPUT_BYTES", inputs_, input_bytes_);
    Make("STUB_OUTPUT_BYTES", outputs_, output_bytes_);
  }
  TfLiteStatus AllocateTensors() { return enough_ ? kTfLiteOk : kTfLiteError; }
  TfLiteStatus Reset() {
    std::printf("reset\n");
    return kTfLiteOk;
  }
  TfLiteStatus Invoke() {
    for (TfLiteTensor& tensor : outputs_) {
      if (!outputs_file_.read(tensor.data.raw, static_cast<std::streamsize>(tensor.bytes))) return kTfLiteError;
    }
    return kTfLiteOk;
  }
  TfLiteTensor* input(size_t index) { return index < inputs_.size() ? &inputs_[index] : nullptr; }
  TfLiteTensor* output(size_t index) { return index < outputs_.size() ? &outputs_[index] : nullptr; }
  size_t arena_used_bytes() const { return 1; }

 private:
  static const char* Get(const char* name) {
    const char* value = std::getenv(name);
    return value == nullptr ? "" : value;
  }
  static void Make(const char* name, std::vector<TfLiteTensor>& tensors, std::vector<std::vector<char>>& content) {
    std::istringstream sizes(Get(name));
    for (size_t size; sizes >> size;) content.emplace_back(size);
    for (std::vector<char>& bytes : content) {
      TfLiteTensor tensor;
      tensor.data.raw = bytes.data();
      tensor.bytes = bytes.size();
      tensors.push_back(tensor);
    }
  }
  bool enough_;
  std::ifstream outputs_file_;
  std::vector<std::vector<char>> input_bytes_, output_bytes_;
  std::vector<TfLiteTensor> inputs_, outputs_;
};

}  // namespace tflite

#endif  // STUB_MICRO_INTERPRETER_H_
