// The members of a JSON object in the order in which they were added. nlohmann's own map of this
// kind looks at every member to find one, which is fastest for a few; this one finds many by an
// index.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <iterator>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>

namespace llm::detail {

template <class Key, class T, class Less = std::less<Key>,
          class Allocator = std::allocator<std::pair<const Key, T>>>
class OrderedMap : public nlohmann::ordered_map<Key, T, Less, Allocator> {
  using Base = nlohmann::ordered_map<Key, T, Less, Allocator>;

 public:
  using typename Base::const_iterator;
  using typename Base::iterator;
  using typename Base::key_type;
  using typename Base::size_type;
  using typename Base::value_type;

  OrderedMap() = default;
  explicit OrderedMap(const Allocator& allocator) : Base(allocator) {}
  template <class It>
  OrderedMap(It first, It last, const Allocator& allocator = Allocator()) : Base(allocator) {
    insert(first, last);
  }
  OrderedMap(std::initializer_list<value_type> members, const Allocator& allocator = Allocator())
      : Base(allocator) {
    insert(members.begin(), members.end());
  }
  OrderedMap(const OrderedMap& other) : Base(other) { index(); }
  OrderedMap(OrderedMap&& other) noexcept = default;
  OrderedMap& operator=(OrderedMap other) noexcept {
    Base::swap(other);
    places_.swap(other.places_);
    return *this;
  }
  ~OrderedMap() = default;

  iterator find(std::string_view key) { return this->begin() + place(key); }
  const_iterator find(std::string_view key) const { return this->begin() + place(key); }
  size_type count(std::string_view key) const { return find(key) == this->end() ? 0 : 1; }

  template <class K, class V>
  std::pair<iterator, bool> emplace(K&& key, V&& value) {
    if (const iterator found = find(key); found != this->end()) return {found, false};
    if (places_) {
      places_->insert_or_assign(std::string(key), this->size());
    } else if (this->size() == most_unindexed) {
      index();
      places_->insert_or_assign(std::string(key), this->size());
    }
    Base::Container::emplace_back(std::forward<K>(key), T(std::forward<V>(value)));
    return {std::prev(this->end()), true};
  }
  template <class K>
  T& operator[](K&& key) {
    return emplace(std::forward<K>(key), T{}).first->second;
  }

  std::pair<iterator, bool> insert(const value_type& member) {
    return emplace(member.first, member.second);
  }
  std::pair<iterator, bool> insert(value_type&& member) {
    return emplace(member.first, std::move(member.second));
  }
  template <class It>
  void insert(It first, It last) {
    for (; first != last; ++first) emplace(first->first, first->second);
  }

  size_type erase(const key_type& key) {
    const iterator found = find(key);
    if (found == this->end()) return 0;
    erase(found);
    return 1;
  }
  iterator erase(iterator at) { return erase(at, std::next(at)); }
  iterator erase(iterator first, iterator last) {
    const iterator next = Base::erase(first, last);
    index();
    return next;
  }
  void clear() noexcept {
    Base::clear();
    places_.reset();
  }

 private:
  static constexpr std::size_t most_unindexed = 32;

  // Where the member is; size() when there is none. The index is checked against the members: it
  // may know the name of a member for which there was no memory.
  std::ptrdiff_t place(std::string_view key) const {
    std::size_t at = 0;
    if (places_) {
      const auto known = places_->find(key);
      at = known == places_->end() ? this->size() : known->second;
      if (at < this->size() && (*this).Base::Container::operator[](at).first != key)
        at = this->size();
    } else {
      while (at < this->size() && (*this).Base::Container::operator[](at).first != key) ++at;
    }
    return static_cast<std::ptrdiff_t>(at);
  }

  void index() {
    places_.reset();
    if (this->size() < most_unindexed) return;
    places_ = std::make_unique<Places>();
    for (std::size_t i = 0; i < this->size(); ++i)
      places_->emplace(Base::Container::operator[](i).first, i);
  }

  // A tree, not a hash table: the author of a file must not be able to choose names that collide.
  using Places = std::map<std::string, std::size_t, std::less<>>;
  std::unique_ptr<Places> places_;  // null while there are few members
};

}  // namespace llm::detail
