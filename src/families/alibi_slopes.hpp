// Slopes of ALiBi (arXiv:2108.12409), which models differ in where the heads are no power of two.
#pragma once

#include <cstdint>
#include <vector>

namespace llm::detail {

// 2^(-8i/n) for n heads if n is a power of two; otherwise those of the next lower power, and then
// every other slope of the next higher one (BLOOM, Falcon; reference `build_alibi_tensor`).
std::vector<double> alibi_slopes(std::int64_t heads);
// Every other slope of the next higher power of two, and then those between them (MPT; reference
// `build_mpt_alibi_tensor`).
std::vector<double> interlaced_alibi_slopes(std::int64_t heads);

}  // namespace llm::detail
