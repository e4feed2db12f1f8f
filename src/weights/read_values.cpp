// Widens the values of a file's tensor to the scalar that is computed with, exactly. The quantized
// blocks are decoded as the GGUF format defines them: in float32, one rounding per operation.
#include <algorithm>
#include <cstring>
#include <string>

#include "core/float16.hpp"
#include "llm/core/error.hpp"
#include "llm/weights/weight_store.hpp"

namespace llm {

namespace {

constexpr std::int64_t block = 32;  // values in a block of every q-type

// File data may begin at any address.
template <typename T>
T load(const std::byte* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof(T));
  return value;
}

template <typename Raw, typename S, typename Widen>
void widen(const std::byte* in, std::int64_t count, S* out, Widen to_scalar) {
  for (std::int64_t i = 0; i < count; ++i) {
    const auto raw = load<Raw>(in + i * static_cast<std::int64_t>(sizeof(Raw)));
    out[i] = static_cast<S>(to_scalar(raw));
  }
}

// Calls decode(bytes, float values[32]) for every block.
template <typename S, typename Decode>
void decode_blocks(const std::byte* in, std::int64_t count, S* out, DType dtype, Decode decode) {
  for (std::int64_t first = 0; first < count; first += block) {
    float values[block];
    decode(in, values);
    in += block_bytes(dtype);
    std::copy(values, values + block, out + first);
  }
}

// scale d (f16), 16 bytes: the low halves are values 0..15, the high halves 16..31; d * (q - 8).
void decode_q4_0(const std::byte* in, float* out) {
  const float d = detail::f16_to_float(load<std::uint16_t>(in));
  for (int i = 0; i < 16; ++i) {
    const int pair = std::to_integer<int>(in[2 + i]);
    out[i] = d * static_cast<float>((pair & 15) - 8);
    out[i + 16] = d * static_cast<float>((pair >> 4) - 8);
  }
}

// scale d and minimum m (f16), then as q4_0; d * q + m.
void decode_q4_1(const std::byte* in, float* out) {
  const float d = detail::f16_to_float(load<std::uint16_t>(in));
  const float m = detail::f16_to_float(load<std::uint16_t>(in + 2));
  for (int i = 0; i < 16; ++i) {
    const int pair = std::to_integer<int>(in[4 + i]);
    out[i] = d * static_cast<float>(pair & 15) + m;
    out[i + 16] = d * static_cast<float>(pair >> 4) + m;
  }
}

// scale d (f16), 32 signed bytes; d * q.
void decode_q8_0(const std::byte* in, float* out) {
  const float d = detail::f16_to_float(load<std::uint16_t>(in));
  for (int i = 0; i < 32; ++i) out[i] = d * static_cast<float>(load<std::int8_t>(in + 2 + i));
}

// That the range lies inside the tensor and the tensor has the bytes its shape needs.
void check_range(const FileTensor& tensor, std::int64_t first, std::int64_t count) {
  const std::int64_t values = tensor.rows() * tensor.cols();
  const std::int64_t unit = block_values(tensor.dtype);
  const auto bytes = static_cast<std::int64_t>(tensor.bytes.size());
  const bool whole = first % unit == 0 && count % unit == 0 && values % unit == 0;
  if (whole && first >= 0 && count >= 0 && first <= values && count <= values - first &&
      values / unit <= bytes / block_bytes(tensor.dtype)) {
    return;
  }
  throw Error(ErrorCode::internal,
              "values " + std::to_string(first) + " to " + std::to_string(first) + "+" +
                  std::to_string(count) + " were asked of tensor " + quote(tensor.name) +
                  ", which has " + std::to_string(values) + " in blocks of " +
                  std::to_string(unit) + " and " + std::to_string(bytes) + " bytes",
              tensor.name);
}

}  // namespace

template <typename S>
void read_values(const FileTensor& tensor, std::int64_t first, std::int64_t count, S* out) {
  check_range(tensor, first, count);
  const DType dtype = tensor.dtype;
  const std::byte* const in =
      tensor.bytes.data() + first / block_values(dtype) * block_bytes(dtype);
  switch (dtype) {
    case DType::f64:
      return widen<double>(in, count, out, [](double x) { return x; });
    case DType::f32:
      return widen<float>(in, count, out, [](float x) { return x; });
    case DType::f16:
      return widen<std::uint16_t>(in, count, out, detail::f16_to_float);
    case DType::bf16:
      return widen<std::uint16_t>(in, count, out, detail::bf16_to_float);
    case DType::q4_0:
      return decode_blocks(in, count, out, dtype, decode_q4_0);
    case DType::q4_1:
      return decode_blocks(in, count, out, dtype, decode_q4_1);
    case DType::q8_0:
      return decode_blocks(in, count, out, dtype, decode_q8_0);
    case DType::i64:
    case DType::i32:
    case DType::i16:
    case DType::i8:
    case DType::u8:
    case DType::boolean:
      break;
  }
  throw Error(ErrorCode::unsupported,
              "tensor " + quote(tensor.name) + " is of type " + std::string(to_string(dtype)) +
                  ", expected a floating point or quantized type",
              tensor.name);
}

template void read_values<float>(const FileTensor&, std::int64_t, std::int64_t, float*);
template void read_values<double>(const FileTensor&, std::int64_t, std::int64_t, double*);

}  // namespace llm
