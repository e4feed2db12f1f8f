// A sentencepiece model in a folder of T5, XLM-RoBERTa, CamemBERT, mBART, Pegasus or LLaMA: the
// pipeline that the reference builds for the tokenizer class, with the class's own order of ids.
// These are the reference's ids, also where sentencepiece itself would cut differently.
#include <algorithm>
#include <array>

#include "core/json.hpp"
#include "llm/core/error.hpp"
#include "tokenizer/bpe.hpp"
#include "tokenizer/sentencepiece_model.hpp"
#include "tokenizer/sources.hpp"
#include "tokenizer/text.hpp"
#include "tokenizer/unigram.hpp"

namespace llm::detail {
namespace {

constexpr std::array<const char*, 25> mbart_languages = {
    "ar_AR", "cs_CZ", "de_DE", "en_XX", "es_XX", "et_EE", "fi_FI", "fr_XX", "gu_IN",
    "hi_IN", "it_IT", "ja_XX", "kk_KZ", "ko_KR", "lt_LT", "lv_LV", "my_MM", "ne_NP",
    "nl_XX", "ro_RO", "ru_RU", "si_LK", "tr_TR", "vi_VN", "zh_CN"};
constexpr std::array<const char*, 27> more_languages = {  // of mBART-50
    "af_ZA", "az_AZ", "bn_IN", "fa_IR", "he_IL", "hr_HR", "id_ID", "ka_GE", "km_KH",
    "mk_MK", "ml_IN", "mn_MN", "mr_IN", "pl_PL", "ps_AF", "pt_XX", "sv_SE", "sw_KE",
    "ta_IN", "te_IN", "th_TH", "tl_XX", "uk_UA", "ur_PK", "xh_ZA", "gl_ES", "sl_SI"};

Json metaspace(const char* scheme, bool split) {
  return {{"type", "Metaspace"},
          {"replacement", escaped_space},
          {"prepend_scheme", scheme},
          {"split", split}};
}

class SentencepieceFolder {
 public:
  SentencepieceFolder(const std::filesystem::path& file, const TokenizerConfig& config)
      : where_(file.string()), config_(config), model_(read_sentencepiece_model(file)) {
    parts_.source = file.filename().string();
  }

  PipelineParts read() {
    if (config_.is_class({"LlamaTokenizer"})) {
      read_llama();
    } else if (config_.is_class({"T5Tokenizer"})) {
      read_t5();
    } else if (config_.is_class({"PegasusTokenizer"})) {
      read_pegasus();
    } else if (config_.is_class({"CamembertTokenizer"})) {
      read_camembert();
    } else {
      read_fairseq();
    }
    add_special_tokens();
    apply_tokenizer_config(config_, parts_);
    follow_stated_bos_eos(config_, parts_);
    return std::move(parts_);
  }

 private:
  using Config = TokenizerConfig;

  // Ids. The class's own tokens stand before the model's pieces or behind them.
  void add(const std::string& token, double score = 0) {
    vocabulary_.add(token, static_cast<std::int64_t>(scores_.size()), where_);
    scores_.push_back(score);
  }
  void add(Config::Named which) { add(config_.named[which].content); }
  void add_special(const std::string& token) {
    add(token);
    special_.push_back(token);
  }
  void add_pieces_from(std::size_t first) {
    if (model_.pieces.size() <= first) {
      throw Error(ErrorCode::bad_format,
                  where_ + ": the model has " + std::to_string(model_.pieces.size()) +
                      " pieces, expected more than " + std::to_string(first) + " for a " +
                      config_.tokenizer_class,
                  where_);
    }
    for (std::size_t i = first; i < model_.pieces.size(); ++i) {
      add(model_.pieces[i].text, model_.pieces[i].score);
    }
  }
  void set_names(std::initializer_list<std::pair<Config::Named, const char*>> names) {
    for (const auto& [which, content] : names) config_.set_default(which, content);
  }
  void set_fairseq_names() {
    set_names({{Config::bos, "<s>"},
               {Config::eos, "</s>"},
               {Config::sep, "</s>"},
               {Config::cls, "<s>"},
               {Config::unk, "<unk>"},
               {Config::pad, "<pad>"}});
    AddedToken& mask = config_.named[Config::mask];
    if (!mask.content.empty()) return;
    mask = {.content = "<mask>", .special = true};
    mask.lstrip = !config_.is_class({"XLMRobertaTokenizer"});
  }

  // XLM-RoBERTa and mBART: fairseq's four tokens stand for the model's first three.
  void read_fairseq() {
    const bool fifty = config_.is_class({"MBart50Tokenizer"});
    const bool mbart = fifty || config_.is_class({"MBartTokenizer"});
    set_fairseq_names();
    for (const auto which : {fifty ? Config::cls : Config::bos, Config::pad, Config::eos}) {
      add(which);
    }
    add(Config::unk);
    add_pieces_from(3);
    for (const char* language : mbart_languages) {
      if (mbart) add_special(language);
    }
    for (const char* language : more_languages) {
      if (fifty) add_special(language);
    }
    add(Config::mask);
    set_unigram(3);
    if (fifty) {
      set_joined_steps();
    } else {
      set_word_steps(!mbart);  // the reference ignores the model's character map for mBART
    }
    set_double_separator();
  }

  void read_camembert() {
    set_fairseq_names();
    add("<s>NOTUSED");
    add(Config::pad);
    add("</s>NOTUSED");
    add(Config::unk);
    add("<unk>NOTUSED", -100);
    add_pieces_from(1);
    add(Config::mask);
    set_unigram(3);
    set_word_steps(true);
    set_double_separator();
  }

  void read_t5() {
    set_names({{Config::eos, "</s>"}, {Config::unk, "<unk>"}, {Config::pad, "<pad>"}});
    add_pieces_from(0);
    // Sentinels stand behind the model's own pieces, the first one last.
    for (std::int64_t i = checked_count("extra_ids", config_.extra_ids, 100, where_); i-- > 0;) {
      add_special("<extra_id_" + std::to_string(i) + ">");
    }
    set_unigram(2);
    set_word_steps(true);
    parts_.post_processor = make_eos(id_of("</s>"));
  }

  void read_pegasus() {
    set_names({{Config::eos, "</s>"}, {Config::unk, "<unk>"}, {Config::pad, "<pad>"}});
    add(Config::pad);
    add(Config::eos);
    // The reference's order of the two masks depends on whether the files name them.
    const std::string mask = config_.name_or(Config::mask, "<mask_1>");
    const std::string& named = config_.sentence_mask;
    const std::string sentence_mask = named.empty() ? "<mask_2>" : named;
    add_special(mask);
    if (sentence_mask != mask) add_special(sentence_mask);
    config_.set_default(Config::mask, "<mask_2>");
    const std::int64_t offset = checked_count("offset", config_.offset, 103, where_);
    for (std::int64_t i = 2; i < offset; ++i) {
      special_.push_back("<unk_" + std::to_string(i) + ">");
      add(special_.back(), -100);
    }
    add_pieces_from(2);
    set_unigram(vocabulary_.find(config_.named[Config::unk].content).value_or(0));
    set_joined_steps();
    const TokenId eos = id_of(config_.named[Config::eos].content);
    parts_.post_processor =
        make_template({{0, {}, 0}, {-1, {eos}, 0}}, {{0, {}, 0}, {1, {}, 0}, {-1, {eos}, 0}});
  }

  void read_llama() {
    set_names({{Config::bos, "<s>"}, {Config::eos, "</s>"}, {Config::unk, "<unk>"}});
    if (!config_.add_bos) config_.add_bos = true;
    add_pieces_from(0);
    BpeOptions options;
    options.fuse_unk = true;
    options.byte_fallback = true;
    std::vector<double> scores(scores_.size());  // the piece with the smallest id goes first
    for (std::size_t id = 0; id < scores.size(); ++id) scores[id] = -static_cast<double>(id);
    MergeTable merges = merges_by_score(vocabulary_, scores, {});
    parts_.model =
        std::make_unique<Bpe>(std::move(vocabulary_), std::move(merges), std::move(options));
    const bool prefix = config_.add_prefix_space.value_or(true);
    const char* scheme = !prefix ? "never" : config_.legacy.value_or(false) ? "always" : "first";
    parts_.pre_tokenizer = read_pre_tokenizer(metaspace(scheme, false), where_);
    parts_.decoder = make_sentencepiece_decoder(prefix);
  }

  TokenId id_of(const std::string& token) const {
    return parts_.model->vocabulary().find(token).value_or(-1);
  }
  void set_unigram(std::int64_t unk) {
    parts_.model = std::make_unique<Unigram>(std::move(vocabulary_), std::move(scores_),
                                             UnigramOptions{.unk = unk}, where_);
  }

  // Words are what stands between white space, each with a "▁" before it.
  void set_word_steps(bool normalizes) {
    if (normalizes && !model_.charsmap.empty()) {
      parts_.normalizer = make_precompiled_normalizer(model_.charsmap, where_);
    }
    const bool own_choice = config_.is_class({"XLMRobertaTokenizer", "CamembertTokenizer"});
    const bool prefix = !own_choice || config_.add_prefix_space.value_or(true);
    const Json step = metaspace(prefix ? "always" : "never", true);
    const Json steps = {{"type", "Sequence"},
                        {"pretokenizers", Json::array({{{"type", "WhitespaceSplit"}}, step})}};
    parts_.pre_tokenizer = read_pre_tokenizer(steps, where_);
    parts_.decoder = read_decoder(step, where_);
  }

  // Runs of spaces become one, other white space stays what the character map makes of it.
  void set_joined_steps() {
    const auto replace = [](const char* pattern) {
      return Json{{"type", "Replace"}, {"pattern", {{"Regex", pattern}}}, {"content", " "}};
    };
    std::vector<std::unique_ptr<Normalizer>> steps;
    if (!model_.charsmap.empty()) {
      steps.push_back(make_precompiled_normalizer(model_.charsmap, where_));
    } else if (config_.is_class({"PegasusTokenizer"})) {
      steps.push_back(read_normalizer(replace("\n"), where_));
    }
    steps.push_back(read_normalizer(replace(" {2,}"), where_));
    parts_.normalizer = make_normalizer_sequence(std::move(steps));
    const Json step = metaspace("always", true);
    parts_.pre_tokenizer = read_pre_tokenizer(step, where_);
    parts_.decoder = read_decoder(step, where_);
  }

  // <s> A </s> and <s> A </s> </s> B </s>
  void set_double_separator() {
    const TokenId bos = id_of(config_.named[Config::bos].content);
    const TokenId eos = id_of(config_.named[Config::eos].content);
    parts_.post_processor = make_roberta(bos, eos, false, false);
  }

  void add_special_tokens() {
    const Vocabulary& vocabulary = parts_.model->vocabulary();
    for (const std::string& token : special_) {
      parts_.added.add({.content = token, .special = true}, vocabulary, where_);
    }
    for (const SentencepieceModel::Piece& piece : model_.pieces) {
      const bool control = piece.kind == PieceKind::control;
      if (!control && piece.kind != PieceKind::user_defined) continue;
      parts_.added.add({.content = piece.text, .special = control}, vocabulary, where_);
    }
  }

  std::string where_;
  TokenizerConfig config_;
  SentencepieceModel model_;
  PipelineParts parts_;
  Vocabulary vocabulary_;
  std::vector<double> scores_;        // by id
  std::vector<std::string> special_;  // of the class, beside those with a name
};

}  // namespace

bool knows_sentencepiece_class(const TokenizerConfig& config) {
  return config.is_class({"LlamaTokenizer", "T5Tokenizer", "PegasusTokenizer", "CamembertTokenizer",
                          "XLMRobertaTokenizer", "MBartTokenizer", "MBart50Tokenizer"});
}

std::unique_ptr<Tokenizer> open_sentencepiece_folder(const std::filesystem::path& file,
                                                     const TokenizerConfig& config) {
  return make_pipeline(SentencepieceFolder(file, config).read());
}

}  // namespace llm::detail
