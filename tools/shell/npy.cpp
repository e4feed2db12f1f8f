// The format of NumPy's files, version 1.0 (numpy.lib.format).
#include "shell/npy.hpp"

#include <bit>

namespace llm::shell {

template <typename S>
NpyWriter<S>::NpyWriter(Output& out, std::int64_t columns) : out_(out), columns_(columns) {
  out_.write(header());
}

template <typename S>
void NpyWriter<S>::add(std::span<const S> row) {
  out_.write({reinterpret_cast<const char*>(row.data()), row.size_bytes()});
  ++rows_;
}

template <typename S>
void NpyWriter<S>::finish() {
  out_.overwrite(0, header());
}

template <typename S>
std::string NpyWriter<S>::header() const {
  static_assert(std::endian::native == std::endian::little);
  constexpr std::size_t size = 128;  // a multiple of 64, with room for any number of rows
  std::string text("\x93NUMPY\x01\x00", 8);
  constexpr std::size_t rest = size - 10;
  text += static_cast<char>(rest);
  text += '\0';
  text += "{'descr': '<f";
  text += sizeof(S) == sizeof(float) ? '4' : '8';
  text += "', 'fortran_order': False, 'shape': (" + std::to_string(rows_) + ", " +
          std::to_string(columns_) + "), }";
  text.resize(size - 1, ' ');
  return text + '\n';
}

template class NpyWriter<float>;
template class NpyWriter<double>;

}  // namespace llm::shell
