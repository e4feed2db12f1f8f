// Writes a safetensors file so that nobody ever reads half of one: under a temporary name in the
// same folder, flushed to the disk, then renamed.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <set>
#include <utility>

#include "core/json.hpp"
#include "core/system_error.hpp"
#include "llm/core/error.hpp"
#include "weights/weight_file.hpp"

namespace llm {

namespace {

namespace fs = std::filesystem;
using detail::Json;

// The file while it is being written. Removed, unless it is put in place.
class PendingFile {
 public:
  explicit PendingFile(fs::path destination) : destination_(std::move(destination)) {
    std::error_code ignored;
    const auto kind = fs::status(destination_, ignored).type();
    // Devices and pipes are written to directly; a file is replaced; a link is followed.
    direct_ = kind == fs::file_type::character || kind == fs::file_type::fifo;
    if (kind == fs::file_type::regular) destination_ = fs::canonical(destination_, ignored);
    if (direct_) {
      descriptor_ = ::open(destination_.c_str(), O_WRONLY | O_CLOEXEC);
    } else {
      create_temporary();
    }
    if (descriptor_ < 0) detail::fail_writing(destination_, "created", errno);
  }
  PendingFile(const PendingFile&) = delete;
  PendingFile& operator=(const PendingFile&) = delete;
  ~PendingFile() {
    if (descriptor_ >= 0) ::close(descriptor_);
    if (!placed_ && !direct_) ::unlink(temporary_.c_str());
  }

  void write(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
      const ssize_t written = ::write(descriptor_, bytes.data(), bytes.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) detail::fail_writing(destination_, "written", errno);
      bytes = bytes.subspan(static_cast<std::size_t>(written));
    }
  }

  void put_in_place() {
    while (!direct_ && ::fsync(descriptor_) != 0) {
      if (errno != EINTR) detail::fail_writing(destination_, "written", errno);
    }
    if (::close(std::exchange(descriptor_, -1)) != 0 && errno != EINTR) {
      detail::fail_writing(destination_, "written", errno);
    }
    if (direct_) return;
    if (::rename(temporary_.c_str(), destination_.c_str()) != 0) {
      detail::fail_writing(destination_, "replaced", errno);
    }
    placed_ = true;
  }

 private:
  // Other processes and threads may write the same file, and an old run may have left its own.
  void create_temporary() {
    constexpr int max_attempts = 1000;
    const std::string stem = destination_.string() + ".partial-" + std::to_string(::getpid()) + "-";
    for (int i = 0; i < max_attempts; ++i) {
      temporary_ = stem + std::to_string(i);
      descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
      if (descriptor_ >= 0 || errno != EEXIST) return;
    }
  }

  fs::path destination_;
  fs::path temporary_;
  int descriptor_ = -1;
  bool direct_ = false;
  bool placed_ = false;
};

const char* format_name(const TensorToWrite& tensor) {
  switch (tensor.dtype) {
    case DType::f64:
      return "F64";
    case DType::f32:
      return "F32";
    case DType::f16:
      return "F16";
    case DType::bf16:
      return "BF16";
    case DType::i64:
      return "I64";
    case DType::i32:
      return "I32";
    case DType::i16:
      return "I16";
    case DType::i8:
      return "I8";
    case DType::u8:
      return "U8";
    case DType::boolean:
      return "BOOL";
    default:  // quantized
      break;
  }
  throw Error(ErrorCode::unsupported,
              "tensor " + quote(tensor.name) + " is of type " +
                  std::string(to_string(tensor.dtype)) + ", which safetensors files do not have",
              tensor.name);
}

void check_tensors(std::span<const TensorToWrite> tensors) {
  std::set<std::string_view> names{"__metadata__"};  // the format itself uses it
  for (const TensorToWrite& tensor : tensors) {
    if (!names.insert(tensor.name).second) {
      throw Error(
          ErrorCode::invalid_input,
          "the tensor name " + quote(tensor.name) + " cannot be written twice or is reserved",
          tensor.name);
    }
    if (detail::byte_size(tensor.dtype, tensor.shape) != tensor.bytes.size()) {
      throw Error(ErrorCode::invalid_input,
                  "tensor " + quote(tensor.name) + " has " + std::to_string(tensor.bytes.size()) +
                      " bytes, which is not what its shape and type need",
                  tensor.name);
    }
  }
}

// The order of the data: wide types first, so that everything is aligned; then by name.
std::vector<const TensorToWrite*> data_order(std::span<const TensorToWrite> tensors) {
  std::vector<const TensorToWrite*> order;
  for (const TensorToWrite& tensor : tensors) order.push_back(&tensor);
  std::sort(order.begin(), order.end(), [](const TensorToWrite* a, const TensorToWrite* b) {
    const auto width_a = block_bytes(a->dtype), width_b = block_bytes(b->dtype);
    return width_a != width_b ? width_a > width_b : a->name < b->name;
  });
  return order;
}

// The JSON with the tensors' places, keys sorted. Padded so that the data, after this and the 8
// bytes of its length, begin at a multiple of 64.
std::string header_text(const std::vector<const TensorToWrite*>& order,
                        const std::map<std::string, std::string>& metadata) {
  Json header = Json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  std::uint64_t offset = 0;
  for (const TensorToWrite* const tensor : order) {
    const std::uint64_t end = offset + tensor->bytes.size();
    header[tensor->name] = {{"dtype", format_name(*tensor)},
                            {"shape", Json(tensor->shape)},
                            {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text;
  try {
    text = header.dump();
  } catch (const Json::exception& e) {
    throw Error(ErrorCode::invalid_input,
                std::string("a tensor name or the metadata is not valid UTF-8: ") + e.what());
  }
  text.resize((text.size() + 8 + 63) / 64 * 64 - 8, ' ');
  return text;
}

}  // namespace

void write_safetensors(const std::filesystem::path& path, std::span<const TensorToWrite> tensors,
                       const std::map<std::string, std::string>& metadata) {
  check_tensors(tensors);
  const auto order = data_order(tensors);
  const std::string header = header_text(order, metadata);
  const std::uint64_t length = header.size();
  PendingFile file(path);
  file.write(std::as_bytes(std::span(&length, 1)));
  file.write(std::as_bytes(std::span(header)));
  for (const TensorToWrite* const tensor : order) file.write(tensor->bytes);
  file.put_in_place();
}

}  // namespace llm
