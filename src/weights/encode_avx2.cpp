// The loops of encoding for AVX2.
#include "weights/encode_inl.hpp"

namespace llm::detail {

constinit const EncodeKernels encode_avx2 = {largest_magnitudes, fit_lines, round_to_codes};

}  // namespace llm::detail
