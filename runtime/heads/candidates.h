// The best `capacity` candidates of a detection head, in memory that the caller gives.
#pragma once
#include <stdint.h>

namespace shrike {

struct Candidate {
  float score;
  uint32_t place;  // over all levels
  int32_t category;
};

// Falling score; ties in the order in which the head is read.
inline bool before(const Candidate& a, const Candidate& b) {
  if (a.score != b.score) return a.score > b.score;
  if (a.place != b.place) return a.place < b.place;
  return a.category < b.category;
}

// A binary heap whose root is the worst candidate kept: it is the one to be replaced when the list is full.
class CandidateList {
 public:
  CandidateList(Candidate* memory, int32_t capacity) : items_(memory), capacity_(capacity) {}

  void add(const Candidate& candidate) {
    if (count_ < capacity_) {
      items_[count_] = candidate;
      rise(count_++);
    } else if (before(candidate, items_[0])) {
      items_[0] = candidate;
      sink(0, count_);
    }
  }
  // Turns the heap into a list, best first. Nothing may be added afterwards.
  void sort() {
    for (int32_t end = count_ - 1; end > 0; --end) {
      swap(0, end);
      sink(0, end);
    }
  }
  int32_t count() const { return count_; }
  const Candidate& operator[](int32_t index) const { return items_[index]; }

 private:
  void swap(int32_t a, int32_t b) {
    const Candidate kept = items_[a];
    items_[a] = items_[b];
    items_[b] = kept;
  }
  void rise(int32_t at) {
    while (at > 0 && before(items_[(at - 1) / 2], items_[at])) {
      swap(at, (at - 1) / 2);
      at = (at - 1) / 2;
    }
  }
  void sink(int32_t at, int32_t end) {
    for (;;) {
      int32_t child = 2 * at + 1;
      if (child >= end) return;
      if (child + 1 < end && before(items_[child], items_[child + 1])) ++child;
      if (!before(items_[at], items_[child])) return;
      swap(at, child);
      at = child;
    }
  }

  Candidate* items_;
  int32_t capacity_;
  int32_t count_ = 0;
};

}  // namespace shrike
