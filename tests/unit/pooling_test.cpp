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
  std::string prompts = {};
  std::string normalize = {};

  std::optional<llm::SentenceConfig> read() const {
    const TempDir dir;
    std::filesystem::create_directory(dir.path() / "1_Pooling");
    std::filesystem::create_directory(dir.path() / "2_Normalize");
    const auto write = [&](const std::string& name, const std::string& text) {
      if (!text.empty()) dir.write(name, text);
    };
    write("modules.json", modules);
    write("1_Pooling/config.json", pooling);
    write(transformer_name, transformer);
    write("config_sentence_transformers.json", prompts);
    write("2_Normalize/config.json", normalize);
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
      R"({"path":"1_Pooling","type":"sentence_transformers.models.pooling.Pooling"}])";
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
  EXPECT_FALSE(config->truncate_dim);
  folder.prompts = R"({"truncate_dim":8})";
  EXPECT_EQ(folder.read()->truncate_dim, 8);
}

// Every key of the five files, with a value that means something: read, or neutral, or refused by
// its name. What nobody knows is passed over only where the reference does so.
TEST(SentenceConfig, KnowsEveryKey) {
  SentenceFolder folder;
  folder.modules =
      R"([{"idx":0,"name":"0","path":"","type":"sentence_transformers.models.Transformer",)"
      R"("kwargs":[]},{"idx":1,"name":"1","path":"1_Pooling",)"
      R"("type":"sentence_transformers.models.Pooling"},)"
      R"({"path":"2_Dropout","type":"sentence_transformers.models.Dropout"}])";
  folder.prompts =
      R"({"__version__":{"pytorch":"2"},"model_type":"SentenceTransformer","requirements":["a"],)"
      R"("prompts":{"query":"q","document":null},"default_prompt_name":null,"truncate_dim":null,)"
      R"("similarity_fn_name":"dot"})";
  folder.transformer =
      R"({"max_seq_length":9,"do_lower_case":true,"transformer_task":"feature-extraction",)"
      R"("modality_config":{"text":{"method":"forward","method_output_name":"last_hidden_state"},)"
      R"("image":{"method":"x"}},"module_output_name":"token_embeddings","unpad_inputs":true,)"
      R"("query_length":32,"document_length":180,"query_expansion":null,"processing_kwargs":{},)"
      R"("model_args":{"torch_dtype":"float16","attn_implementation":"sdpa",)"
      R"("add_pooling_layer":false},"config_kwargs":{"trust_remote_code":true},)"
      R"("tokenizer_args":{"padding_side":"left","use_fast":true}})";
  folder.pooling = R"({"embedding_dimension":384,"pooling_mode":"mean","include_prompt":true})";
  const auto config = folder.read();
  ASSERT_TRUE(config);
  EXPECT_TRUE(config->unknown_keys.empty());
  EXPECT_EQ(config->prompts.at("document"), "");
  EXPECT_EQ(config->max_seq_length, 9);
  folder.prompts = R"({"of_a_later_version":3,"nothing":null})";
  EXPECT_EQ(folder.read()->unknown_keys,
            std::vector<std::string>{"config_sentence_transformers.json: of_a_later_version"});
}

TEST(SentenceConfig, RefusesKeysByTheirNames) {
  const auto refused = [](std::string SentenceFolder::*file, const std::string& text,
                          const std::string& part, ErrorCode code = ErrorCode::unsupported) {
    SentenceFolder folder;
    folder.*file = text;
    expect_error(code, part, [&] { folder.read(); });
  };
  const auto prompts = &SentenceFolder::prompts, transformer = &SentenceFolder::transformer,
             pooling = &SentenceFolder::pooling;
  refused(prompts, R"({"model_type":"SparseEncoder"})", "\"model_type\" is \"SparseEncoder\"");
  refused(prompts, R"({"truncate_dim":0})", "truncate_dim", ErrorCode::bad_format);
  refused(prompts, R"({"truncate_dim":"8"})", "truncate_dim", ErrorCode::bad_format);
  refused(prompts, R"({"prompts":["q"]})", "prompts is no object", ErrorCode::bad_format);
  refused(transformer, R"({"transformer_task":"fill-mask"})", "\"transformer_task\" is");
  refused(transformer, R"({"module_output_name":"sentence_embedding"})", "\"module_output_name\"");
  refused(transformer, R"({"modality_config":{"image":{}}})", "no object \"text\"");
  refused(transformer, R"({"modality_config":{"text":{"method_output_name":"pooler_output"}}})",
          "\"method_output_name\" is \"pooler_output\"");
  refused(transformer, R"({"modality_config":{"text":{"method":"get_text_features"}}})",
          "\"method\" is \"get_text_features\"");
  refused(transformer, R"({"processing_kwargs":{"text":{"padding":"max_length"}}})",
          "\"processing_kwargs\" is");
  refused(transformer, R"({"tokenizer_name_or_path":"x"})", "\"tokenizer_name_or_path\" is");
  refused(transformer, R"({"tokenizer_args":{"model_max_length":5}})",
          "the key \"tokenizer_args.model_max_length\" is not known");
  refused(transformer, R"({"config_args":{"is_causal":true}})",
          "the key \"config_args.is_causal\" is not known");
  refused(transformer, R"({"of_a_later_version":3})", "the key \"of_a_later_version\"");
  refused(pooling, R"({"of_a_later_version":3})", "the key \"of_a_later_version\"");
  refused(pooling, R"({"pooling_mode":[]})", "pooling_mode is empty", ErrorCode::bad_format);
  refused(&SentenceFolder::normalize, R"({"module_input_name":"token_embeddings"})",
          "\"module_input_name\" is \"token_embeddings\"");
  EXPECT_TRUE((SentenceFolder{.normalize = R"({"module_input_name":"sentence_embedding"})"}
                   .read()
                   ->normalize));
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
  const auto module = [](const std::string& path, const std::string& name) {
    return R"({"path":")" + path + R"(","type":"sentence_transformers.)" + name + "\"}";
  };
  const std::string first = "[" + module("", "models.Transformer") + ",";
  const std::string second = first + module("1_Pooling", "models.Pooling") + ",";
  for (const char* const name :
       {"Dense", "LayerNorm", "WeightedLayerPooling", "CNN", "LSTM", "WordWeights", "Router",
        "Asym", "StaticEmbedding", "SpladePooling", "MultiVectorMask", "LogitScore", "Unknown"}) {
    refused(ErrorCode::unsupported, "module 2 is \"" + std::string(name) + "\"",
            second + module("2", "base.modules.x." + std::string(name)) + "]");
    refused(ErrorCode::unsupported, "module 0 is \"" + std::string(name) + "\"",
            "[" + module("", "models." + std::string(name)) + "]");
  }
  refused(ErrorCode::unsupported, "module 3 is \"Normalize\"",
          second + module("2", "models.Normalize") + "," + module("3", "models.Normalize") + "]");
  refused(ErrorCode::unsupported, "module 0 is \"Dropout\"",
          "[" + module("", "models.Dropout") + "]");
  refused(ErrorCode::unsupported, "has no Pooling module",
          "[" + module("", "models.Transformer") + "]");
  // Code of the model's own with a name that is known.
  refused(ErrorCode::unsupported, "module 0 is \"custom_st.Transformer\", code that comes with",
          R"([{"path":"","type":"custom_st.Transformer"}])");
  refused(ErrorCode::unsupported, "\"module 0: kwargs\" is",
          R"([{"path":"","type":"sentence_transformers.models.Transformer","kwargs":["task"]}])");
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
  refused(ErrorCode::unsupported, "the key \"pooling_mode_attention\" is not known", folder);
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
