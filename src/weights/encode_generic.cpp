// The loops of encoding for any machine.
#include "weights/encode_inl.hpp"

namespace llm::detail {

constinit const EncodeKernels encode_generic = {largest_magnitudes, fit_lines, round_to_codes};

}  // namespace llm::detail
