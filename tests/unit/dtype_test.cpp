// Names and sizes of element types, here and in GGUF's table.
#include "llm/core/dtype.hpp"

#include "core/ggml_types.hpp"

namespace {

using llm::DType;

TEST(DType, NamesAndKinds) {
  EXPECT_EQ(llm::to_string(DType::bf16), "bf16");
  EXPECT_EQ(llm::to_string(DType::q4_1), "q4_1");
  EXPECT_EQ(llm::to_string(DType::boolean), "boolean");
  EXPECT_TRUE(llm::is_floating(DType::f64) && llm::is_floating(DType::bf16));
  EXPECT_FALSE(llm::is_floating(DType::i64) || llm::is_floating(DType::q8_0));
  EXPECT_TRUE(llm::is_quantized(DType::q4_0) && llm::is_quantized(DType::q8_0));
  EXPECT_FALSE(llm::is_quantized(DType::f32) || llm::is_quantized(DType::u8));
}

TEST(DType, AgreesWithTheTableOfGguf) {
  const std::pair<std::uint32_t, DType> same[] = {
      {0, DType::f32},    {1, DType::f16},     {2, DType::q4_0},   {3, DType::q4_1},
      {8, DType::q8_0},   {24, DType::i8},     {25, DType::i16},   {26, DType::i32},
      {27, DType::i64},   {28, DType::f64},    {30, DType::bf16},  {6, DType::q5_0},
      {7, DType::q5_1},   {20, DType::iq4_nl}, {39, DType::mxfp4}, {10, DType::q2_k},
      {11, DType::q3_k},  {12, DType::q4_k},   {13, DType::q5_k},  {14, DType::q6_k},
      {23, DType::iq4_xs}};
  for (const auto& [number, dtype] : same) {
    const auto* const type = llm::detail::find_ggml_type(number);
    ASSERT_NE(type, nullptr);
    EXPECT_EQ(type->block_values, llm::block_values(dtype));
    EXPECT_EQ(type->block_bytes, llm::block_bytes(dtype));
  }
  EXPECT_EQ(llm::detail::ggml_type_name(16), "IQ2_XXS");
  EXPECT_EQ(llm::detail::ggml_type_name(4), "number 4");
}

}  // namespace
