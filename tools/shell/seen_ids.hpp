// Where ids are in a file of rows, to find those that are there twice.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace llm::shell {

// Remembers every id in 16 bytes of a hash table that is at most three quarters full: the hash of
// the id, and its line. (Two of a million ids have the same hash in one of 40 million files.) From
// 196,608 ids on the table is a file without a name in the folder for temporary files: the system
// keeps its pages (32 MB for a million ids) or writes them to disk, so they are no memory of the
// run. Without room for such a file the table is in memory.
class SeenIds {
 public:
  SeenIds();
  SeenIds(const SeenIds&) = delete;
  SeenIds& operator=(const SeenIds&) = delete;
  ~SeenIds();

  // The line where the id was before; nullopt when it is new. Throws std::bad_alloc.
  std::optional<std::uint64_t> add(std::string_view id, std::uint64_t line);

 private:
  struct Slot {
    std::uint64_t hash;
    std::uint64_t line;  // 0: empty
  };
  Slot& find(std::uint64_t hash) const;
  void grow();

  Slot* slots_ = nullptr;
  std::uint64_t spread_;  // odd and random: nobody can choose ids that crowd one place
  std::size_t size_ = 0;  // a power of two
  std::size_t used_ = 0;
};

}  // namespace llm::shell
