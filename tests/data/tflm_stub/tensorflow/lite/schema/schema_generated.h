#ifndef STUB_SCHEMA_GENERATED_H_
#define STUB_SCHEMA_GENERATED_H_

#include <cstdint>
#include <cstring>

namespace tflite {

struct Model {
  uint32_t version() const { return 3; }
};

// Fails as the real one crashes: on content that is not a model, or is not aligned.
inline const Model* GetModel(const void* content) {
  static const Model model;
  const bool right = std::memcmp(static_cast<const char*>(content) + 4, "TFL3", 4) == 0;
  return right && reinterpret_cast<uintptr_t>(content) % 16 == 0 ? &model : nullptr;
}

}  // namespace tflite

#endif  // STUB_SCHEMA_GENERATED_H_
