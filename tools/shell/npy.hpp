// A matrix as NumPy reads it (.npy), written row by row. The number of rows is put into the header
// at the end.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "shell/output.hpp"

namespace llm::shell {

template <typename S>
class NpyWriter {
 public:
  // Writes a header for no rows.
  NpyWriter(Output& out, std::int64_t columns);
  void add(std::span<const S> row);
  // Corrects the header. Throws Error (io) when the output is not a file.
  void finish();
  std::uint64_t rows() const { return rows_; }

 private:
  std::string header() const;

  Output& out_;
  std::int64_t columns_;
  std::uint64_t rows_ = 0;
};

extern template class NpyWriter<float>;
extern template class NpyWriter<double>;

}  // namespace llm::shell
