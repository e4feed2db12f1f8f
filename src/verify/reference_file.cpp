#include "verify/reference_file.hpp"

#include <cstring>
#include <limits>

#include "llm/core/error.hpp"

namespace llm::detail {

ReferenceFile::ReferenceFile(const std::filesystem::path& path)
    : path_(path), store_(WeightStore::open(path)) {
  const auto found = store_->metadata().find("llm-reference");
  if (found == store_->metadata().end()) {
    reject("its metadata has no \"llm-reference\"; make one with tools/export_reference.py");
  }
  const Json header = parse_json(found->second, path.string() + ": llm-reference");
  try {
    read_header(header);
  } catch (const Json::exception& e) {
    reject(std::string("its header is not of the documented form: ") + e.what());
  }
}

void ReferenceFile::reject(const std::string& sentence) const {
  throw Error(ErrorCode::bad_format, path_.string() + ": " + sentence, path_.string());
}

void ReferenceFile::read_header(const Json& header) {
  if (header.at("format") != "llm-reference/1") reject("expected format llm-reference/1");
  class_name_ = header.at("class").get<std::string>();
  for (const Json& c : header.value("cases", Json::array())) {
    cases_.push_back(c.at("name").get<std::string>());
  }
  for (const Json& g : header.value("generations", Json::array())) {
    generations_.push_back({g.at("name").get<std::string>(), g.at("options")});
  }
  for (const Json& t : header.value("texts", Json::array())) {
    const Json options = t.value("options", Json::object());
    texts_.push_back({t.at("text").get<std::string>(), t.at("ids").get<std::vector<TokenId>>(),
                      options.value("add_special_tokens", true)});
  }
}

const FileTensor* ReferenceFile::find(const std::string& name, DType dtype) const {
  const FileTensor* tensor = store_->find(name);
  if (tensor && tensor->dtype != dtype) {
    reject("tensor " + quote(name) + " has type " + std::string(to_string(tensor->dtype)) +
           ", expected " + std::string(to_string(dtype)));
  }
  return tensor;
}

std::vector<std::string> ReferenceFile::value_names() const {
  std::vector<std::string> names;
  for (const std::string& name : store_->names()) {
    if (store_->find(name)->dtype == DType::f64) names.push_back(name);
  }
  return names;
}

const FileTensor* ReferenceFile::values(const std::string& name) const {
  return find(name, DType::f64);
}

std::optional<std::vector<TokenId>> ReferenceFile::ids(const std::string& name) const {
  const FileTensor* tensor = find(name, DType::i64);
  if (!tensor) return std::nullopt;
  std::vector<TokenId> ids;
  for (std::size_t at = 0; at + sizeof(std::int64_t) <= tensor->bytes.size();
       at += sizeof(std::int64_t)) {
    std::int64_t id = 0;
    std::memcpy(&id, tensor->bytes.data() + at, sizeof id);
    if (id < 0 || id > std::numeric_limits<TokenId>::max()) {
      reject("tensor " + quote(name) + " holds " + std::to_string(id) + ", which is no token id");
    }
    ids.push_back(static_cast<TokenId>(id));
  }
  return ids;
}

std::vector<std::vector<TokenId>> ReferenceFile::id_rows(const std::string& name) const {
  const auto flat = ids(name);
  if (!flat) reject("has no tensor " + quote(name));
  const auto columns = static_cast<std::size_t>(store_->find(name)->cols());
  std::vector<std::vector<TokenId>> rows;
  for (std::size_t at = 0; columns > 0 && at + columns <= flat->size(); at += columns) {
    rows.emplace_back(flat->begin() + static_cast<std::ptrdiff_t>(at),
                      flat->begin() + static_cast<std::ptrdiff_t>(at + columns));
  }
  return rows;
}

}  // namespace llm::detail
