// sentence-transformers folders: what their files say about pooling, and which are refused.
#include "llm/model/pooling.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "support/catch_error.hpp"
#include "support/temp_dir.hpp"

namespace {

using namespace llm::test;
using llm::ErrorCode;
using llm::PoolingMode;

// A folder as sentence-transformers writes it; empty texts leave the file out.
struct SentenceFolder {
  std::string modules =
      R"([{"idx":0,"name":"0","path":"","type":"sentence_transformers.models.Transformer"},)"
      R"({"idx":1,"name":"1","path":"1_Pooling","type":"sentence_transformers.models.Pooling"},)"
      R"({"idx":2,"name":"2","path":"2_Normalize","type":"sentence_transformers.models.Normalize"}])";
  std::string pooling = R"({"word_embedding_dimension":384,"pooling_mode_cls_token":false,)"
                        R"("pooling_mode_mean_tokens":true,"pooling_mode_max_tokens":false,)"
                        R"("pooling_mode_mean_sqrt_len_tokens":false})";
  std::string transformer = R"({"max_seq_length":256,"do_lower_case":false})";
  std::string transformer_name = "sentence_bert_config.json";
  std::string prompts;

  std::optional<llm::SentenceConfig> read() const {
    const TempDir dir;
    std::filesystem::create_directory(dir.path() / "1_Pooling");
    const auto write = [&](const std::string& name, const std::string& text) {
      if (!text.empty()) dir.write(name, text);
    };
    write("modules.json", modules);
    write("1_Pooling/config.json", pooling);
    write(transformer_name, transformer);
    write("config_sentence_transformers.json", prompts);
    auto config = llm::read_sentence_config(dir.path());
    EXPECT_EQ(config ? config->model_path : dir.path(), dir.path());
    return config;
  }
};

TEST(SentenceConfig, ReadsAllMiniLm) {
  const auto config = SentenceFolder{}.read();
  ASSERT_TRUE(config);
  EXPECT_EQ(config->pooling, std::vector{PoolingMode::mean});
  EXPECT_TRUE(config->normalize);
  EXPECT_TRUE(config->include_prompt);
  EXPECT_EQ(config->max_seq_length, 256);
  EXPECT_FALSE(config->do_lower_case);
  EXPECT_TRUE(config->prompts.empty());
}

TEST(SentenceConfig, IsAbsentFromOtherFolders) {
  SentenceFolder folder;
  folder.modules = "";
  EXPECT_FALSE(folder.read());
}

TEST(SentenceConfig, ReadsOptionalParts) {
  SentenceFolder folder;
  folder.modules =
      R"([{"path":"","type":"sentence_transformers.base.modules.transformer.Transformer"},)"
      R"({"path":"1_Pooling","type":"a.Pooling"}])";
  folder.transformer_name = "sentence_xlm-roberta_config.json";
  folder.transformer = R"({"max_seq_length":null,"do_lower_case":true})";
  folder.prompts = R"({"__version__":{},"prompts":{"query":"query: ","document":""},)"
                   R"("default_prompt_name":"query","similarity_fn_name":"cosine"})";
  auto config = folder.read();
  ASSERT_TRUE(config);
  EXPECT_FALSE(config->normalize);
  EXPECT_FALSE(config->max_seq_length);
  EXPECT_TRUE(config->do_lower_case);
  EXPECT_EQ(config->prompts.at("query"), "query: ");
  EXPECT_EQ(config->default_prompt_name, "query");
  folder.transformer = "";
  folder.prompts = R"({"prompts":{},"default_prompt_name":null})";
  config = folder.read();
  EXPECT_FALSE(config->do_lower_case);
  EXPECT_EQ(config->default_prompt_name, "");
}

TEST(SentenceConfig, ReadsEveryPoolingMode) {
  const auto modes = [](const std::string& text) {
    SentenceFolder folder;
    folder.pooling = text;
    return folder.read()->pooling;
  };
  using enum PoolingMode;
  const std::vector all{cls, max, mean, mean_sqrt_len, weighted_mean, last_token};
  // Flags: in the order of the reference, whatever that of the file.
  EXPECT_EQ(modes(R"({"pooling_mode_lasttoken":true,"pooling_mode_weightedmean_tokens":true,)"
                  R"("pooling_mode_mean_sqrt_len_tokens":true,"pooling_mode_mean_tokens":true,)"
                  R"("pooling_mode_max_tokens":true,"pooling_mode_cls_token":true})"),
            all);
  EXPECT_EQ(modes("{}"), std::vector{mean});
  EXPECT_EQ(modes(R"({"pooling_mode_cls_token":false})"), std::vector{mean});
  // Names: in the order of the file; flags beside them do not count.
  EXPECT_EQ(modes(R"({"pooling_mode":"lasttoken","pooling_mode_cls_token":true})"),
            std::vector{last_token});
  EXPECT_EQ(modes(R"({"pooling_mode":["max","cls","weightedmean","mean_sqrt_len_tokens"]})"),
            (std::vector{max, cls, weighted_mean, mean_sqrt_len}));
  SentenceFolder folder;
  folder.pooling = R"({"include_prompt":false})";
  EXPECT_FALSE(folder.read()->include_prompt);
}

TEST(SentenceConfig, RefusesOtherModules) {
  const auto refused = [](ErrorCode code, const std::string& part, const std::string& modules) {
    SentenceFolder folder;
    folder.modules = modules;
    expect_error(code, part, [&] { folder.read(); });
  };
  const std::string first = R"([{"path":"","type":"a.Transformer"},)";
  const std::string second = first + R"({"path":"1_Pooling","type":"a.Pooling"},)";
  refused(ErrorCode::unsupported, "module 2 is \"Dense\"",
          second + R"({"path":"2_Dense","type":"a.Dense"}])");
  refused(ErrorCode::unsupported, "module 3 is \"Normalize\"",
          second + R"({"path":"2","type":"a.Normalize"},{"path":"3","type":"a.Normalize"}])");
  refused(ErrorCode::unsupported, "module 0 is \"BoW\"", R"([{"path":"","type":"a.BoW"}])");
  refused(ErrorCode::unsupported, "has no Pooling module", R"([{"path":"","type":"Transformer"}])");
  refused(ErrorCode::bad_format, "an array of modules", "{}");
  refused(ErrorCode::bad_format, "an array of modules", "[]");
  refused(ErrorCode::bad_format, "module 0 has no text \"type\"", "[{}]");
  refused(ErrorCode::bad_format, "module 1 has no text \"path\"", first + R"({"type":"a.P"}])");
  refused(ErrorCode::bad_format, "no folder beside", R"([{"path":"../x","type":"a.Transformer"}])");
  refused(ErrorCode::bad_format, "no folder beside", R"([{"path":"/etc","type":"Transformer"}])");
}

TEST(SentenceConfig, RefusesDamagedFiles) {
  const auto refused = [](ErrorCode code, const std::string& part, const SentenceFolder& folder) {
    expect_error(code, part, [&] { folder.read(); });
  };
  SentenceFolder folder;
  folder.pooling = "";
  refused(ErrorCode::file_not_found, "config.json", folder);
  folder.pooling = "[]";
  refused(ErrorCode::bad_format, "expected a JSON object", folder);
  folder.pooling = R"({"pooling_mode":"attention"})";
  refused(ErrorCode::unsupported, "pooling_mode \"attention\" is not supported", folder);
  folder.pooling = R"({"pooling_mode_attention":true})";
  refused(ErrorCode::unsupported, "\"pooling_mode_attention\" is not supported", folder);
  folder.pooling = R"({"pooling_mode_cls_token":3})";
  refused(ErrorCode::bad_format, "pooling_mode_cls_token", folder);
  folder.pooling = "{}";
  folder.transformer = R"({"max_seq_length":-1})";
  refused(ErrorCode::bad_format, "max_seq_length", folder);
  folder.transformer = "";
  folder.prompts = R"({"prompts":{"query":"q"},"default_prompt_name":"document"})";
  refused(ErrorCode::bad_format, "\"document\", which is not among the prompts", folder);
}

}  // namespace
