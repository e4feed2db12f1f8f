// The rows of a file that are nearest to a text. The file's rows are embedded once, when the first
// text asks for them.
#include <algorithm>

#include "chain/embedding_options.hpp"
#include "llm/tasks/similarity.hpp"

namespace llm::detail {
namespace {

template <typename S>
class RetrieveStep : public BatchRunner<S> {
 public:
  RetrieveStep(const StepContext& context, ChainModel<S> model, std::span<const RetrieveRow> rows)
      : BatchRunner<S>(context),
        model_(std::move(model)),
        rows_(rows),
        count_(static_cast<std::size_t>(context.options.integer("top_k", 1).value_or(3))),
        embedder_(make_chain_embedder(context, model_)) {
    for (const RetrieveRow& row : rows_) {
      try {
        (void)embedder_.encode(row.text);
      } catch (const Error& error) {
        throw Error(error.code(), row.place + ": " + error.what(), row.place);
      }
    }
  }

 protected:
  std::vector<ChainValue> compute(std::span<const StepRequest> requests) override {
    if (vectors_.empty()) embed_rows();
    if (vectors_.empty()) return {};  // interrupted
    std::vector<TextTokens> texts;
    for (const StepRequest& request : requests)
      texts.push_back(embedder_.encode(request.texts.find("text")->second));
    std::vector<ChainValue> values;
    for (std::vector<S>& query : embedder_.embed(texts))
      values.push_back(nearest(std::move(query)));
    return values;
  }

 private:
  void embed_rows() {
    const auto together = static_cast<std::size_t>(this->context().batch_size);
    std::vector<std::vector<S>> vectors;
    for (std::size_t begin = 0; begin < rows_.size(); begin += together) {
      if (this->context().is_interrupted()) return;
      std::vector<TextTokens> texts;
      for (const RetrieveRow& row : rows_.subspan(begin, std::min(together, rows_.size() - begin)))
        texts.push_back(embedder_.encode(row.text));
      for (auto& vector : embedder_.embed(texts)) vectors.push_back(std::move(vector));
    }
    vectors_ = std::move(vectors);
  }

  ChainValue nearest(std::vector<S> query) const {
    NearestNeighbours<S> search(std::move(query), count_);
    for (std::size_t i = 0; i < vectors_.size(); ++i) search.add(i, vectors_[i]);
    ChainValue value{.is_list = true};
    std::string list;
    for (const Neighbour& neighbour : search.nearest()) {
      ChainValue item = rows_[neighbour.row].value;
      item.text = rows_[neighbour.row].text;
      std::erase_if(item.fields, [](const ChainField& field) { return field.name == "cosine"; });
      item.fields.push_back(
          {"cosine", json_number(static_cast<S>(neighbour.similarity.cosine)), true});
      list += (list.empty() ? "[" : ",") + item.to_json();
      value.items.push_back(std::move(item));
    }
    value.fields.push_back({"nearest", list + "]", true});
    return value;
  }

  ChainModel<S> model_;
  std::span<const RetrieveRow> rows_;
  std::size_t count_;
  TextEmbedder<S> embedder_;
  std::vector<std::vector<S>> vectors_;
};

}  // namespace

template <typename S>
std::unique_ptr<StepRunner<S>> make_retrieve_step(const StepContext& context, ChainModel<S> model,
                                                  std::span<const RetrieveRow> rows) {
  return std::make_unique<RetrieveStep<S>>(context, std::move(model), rows);
}

template std::unique_ptr<StepRunner<float>> make_retrieve_step(const StepContext&,
                                                               ChainModel<float>,
                                                               std::span<const RetrieveRow>);
template std::unique_ptr<StepRunner<double>> make_retrieve_step(const StepContext&,
                                                                ChainModel<double>,
                                                                std::span<const RetrieveRow>);

}  // namespace llm::detail
