// Widens the values of a file's tensor to the scalar type of the computation, exactly.
#include <algorithm>
#include <cstring>
#include <string>

#include "core/float16.hpp"
#include "llm/core/error.hpp"
#include "llm/weights/weight_store.hpp"
#include "weights/quant_block.hpp"

namespace llm {

namespace {

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

template <typename S>
void read_blocks(const std::byte* in, std::int64_t count, S* out, DType dtype) {
  detail::QuantBlock block;
  float values[256];
  for (std::int64_t first = 0; first < count; first += block_values(dtype)) {
    detail::decode_block(dtype, in, block);
    detail::block_values_of(dtype, block, values);
    std::copy(values, values + block_values(dtype), out + first);
    in += block_bytes(dtype);
  }
}

// Checks that the range lies inside the tensor and that the tensor has the bytes of its shape.
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
      return widen<std::uint16_t>(in, count, out, [](auto x) { return detail::f16_to_float(x); });
    case DType::bf16:
      return widen<std::uint16_t>(in, count, out, [](auto x) { return detail::bf16_to_float(x); });
    case DType::i64:
    case DType::i32:
    case DType::i16:
    case DType::i8:
    case DType::u8:
    case DType::boolean:
      break;
    default:
      return read_blocks(in, count, out, dtype);
  }
  throw Error(ErrorCode::unsupported,
              "tensor " + quote(tensor.name) + " is of type " + std::string(to_string(dtype)) +
                  ", expected a floating point or quantized type",
              tensor.name);
}

template void read_values<float>(const FileTensor&, std::int64_t, std::int64_t, float*);
template void read_values<double>(const FileTensor&, std::int64_t, std::int64_t, double*);

}  // namespace llm
