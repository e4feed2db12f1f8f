// A fixture with other tensors: renamed, or further ones that hold the rows of another in reverse.
#pragma once

#include <cstring>
#include <filesystem>
#include <map>
#include <string>

#include "core/json.hpp"
#include "support/write_safetensors.hpp"

namespace llm::test {

using Names = std::map<std::string, std::string>;

class SafetensorsEditor {
 public:
  explicit SafetensorsEditor(const std::filesystem::path& file) {
    const std::string bytes = detail::read_file(file, std::size_t{64} << 20);
    std::uint64_t length = 0;
    std::memcpy(&length, bytes.data(), sizeof length);
    header_ = detail::parse_json(std::string_view(bytes).substr(8, length), file.string());
    data_ = bytes.substr(8 + length);
  }

  detail::Json& metadata() { return header_["__metadata__"]; }
  bool has(const std::string& name) const { return header_.contains(name); }
  void rename(const std::string& from, const std::string& to) {
    header_[to] = header_.at(from);
    header_.erase(from);
  }
  void erase(const std::string& name) { header_.erase(name); }

  // `to` becomes a copy of `from`, with its rows from the last to the first if `reversed`.
  void copy(const std::string& from, const std::string& to, bool reversed) {
    detail::Json info = header_.at(from);
    const auto begin = info.at("data_offsets").at(0).get<std::size_t>(),
               end = info.at("data_offsets").at(1).get<std::size_t>();
    const std::size_t row = (end - begin) / info.at("shape").at(0).get<std::size_t>();
    info["data_offsets"] = {data_.size(), data_.size() + end - begin};
    for (std::size_t at = begin; at < end; at += row) {
      data_ += data_.substr(reversed ? end - row - (at - begin) : at, row);
    }
    header_[to] = info;
  }

  // Tensors that were erased leave no gap.
  std::string bytes() const {
    detail::Json header = header_;
    std::string data;
    for (auto& [name, info] : header.items()) {
      if (name == "__metadata__") continue;
      auto& offsets = info.at("data_offsets");
      const auto begin = offsets.at(0).get<std::size_t>(), end = offsets.at(1).get<std::size_t>();
      offsets = {data.size(), data.size() + end - begin};
      data += data_.substr(begin, end - begin);
    }
    return safetensors_bytes(header.dump(), data);
  }

 private:
  detail::Json header_;
  std::string data_;
};

}  // namespace llm::test
