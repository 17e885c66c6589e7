#include "toolchain/import/pt/pickle.h"

#include <algorithm>
#include <bit>
#include <set>
#include <unordered_map>

#include "toolchain/import/bytes.h"
#include "toolchain/import/pt/constructors.h"
#include "toolchain/support/model_limits.h"

namespace shrike::graph::pt {
namespace {

using Kind = Value::Kind;

constexpr uint64_t kMemoGap = 1'000'000;  // how far a memo index may lie beyond what is in it

bool is_dangerous(const std::string& module, const std::string& name) {
  static const std::set<std::string> modules = {
      "os",        "posix", "nt",     "subprocess", "sys",     "socket",         "shutil",
      "importlib", "runpy", "ctypes", "pickle",     "_pickle", "webbrowser",     "pty",
      "commands",  "code",  "codeop", "marshal",    "types",   "multiprocessing"};
  static const std::set<std::string> harmless_builtins = {
      "set", "frozenset", "list",    "dict",   "tuple", "int",   "float",     "bool",
      "str", "bytes",     "complex", "object", "slice", "range", "bytearray", "getattr"};
  if (module == "builtins" || module == "__builtin__") return harmless_builtins.count(name) == 0;
  return modules.count(module.substr(0, module.find('.'))) > 0;
}

class Machine {
 public:
  Machine(std::string_view bytes, const std::string& where) : bytes_(bytes, where) {}

  Pickle run() {
    if (take<uint8_t>() != 0x80) bytes_.damaged("a pickle was expected to begin with its protocol");
    const auto protocol = take<uint8_t>();
    if (protocol < 2 || protocol > 5)
      fail("{}: a pickle of protocol 2 to 5 was expected, found {}", bytes_.where(), protocol);
    while (!done_) {
      opcode_at_ = at_;
      step(take<uint8_t>());
      if (pickle_.values.size() > model_limits::kPickleValues || stack_.size() > model_limits::kPickleValues)
        fail("{}: more than {} values in its pickle; is this a model?", bytes_.where(),
             model_limits::kPickleValues);
    }
    return std::move(pickle_);
  }

 private:
  [[noreturn]] void damaged(const std::string& what) const {
    bytes_.damaged("{} at byte {} of its pickle", what, opcode_at_);
  }

  template <typename T>
  T take() {
    const T value = bytes_.number<T>(at_);
    at_ += sizeof(T);
    return value;
  }

  std::string take_text(uint64_t count) {
    const std::string_view text = bytes_.text(at_, count);
    at_ += count;
    return std::string(text);
  }

  std::string take_line() {
    const uint64_t rest = bytes_.size() - at_;
    const std::string_view text = bytes_.text(at_, rest);
    const size_t end = text.find('\n');
    if (end == std::string_view::npos) damaged("a line without an end");
    at_ += end + 1;
    return std::string(text.substr(0, end));
  }

  Value& at(Ref ref) { return pickle_.values[ref]; }

  Ref push(Value value) {
    pickle_.values.push_back(std::move(value));
    stack_.push_back(static_cast<Ref>(pickle_.values.size() - 1));
    return stack_.back();
  }

  void push_items(Kind kind, std::vector<Ref> items) {
    Value value{kind};
    value.items = std::move(items);
    push(std::move(value));
  }

  void push_text(Kind kind, std::string text) {
    Value value{kind};
    value.text = std::move(text);
    push(std::move(value));
  }

  void push_integer(Kind kind, int64_t integer) { push({kind, integer, 0, {}, {}}); }

  // Values below the last mark are out of reach until it is taken.
  Ref pop() {
    if (stack_.size() <= (marks_.empty() ? 0 : marks_.back())) damaged("an empty stack");
    const Ref top = stack_.back();
    stack_.pop_back();
    return top;
  }

  Ref top() {
    const Ref ref = pop();
    stack_.push_back(ref);
    return ref;
  }

  std::vector<Ref> pop_last(size_t count) {
    std::vector<Ref> items(count);
    for (size_t i = count; i-- > 0;) items[i] = pop();
    return items;
  }

  std::vector<Ref> pop_to_mark() {
    if (marks_.empty()) damaged("no mark");
    const auto first = stack_.begin() + static_cast<int64_t>(marks_.back());
    std::vector<Ref> items(first, stack_.end());
    stack_.erase(first, stack_.end());
    marks_.pop_back();
    return items;
  }

  void memoize(uint64_t index) {
    if (index > memo_.size() + kMemoGap) damaged("a memo index that is not sensible");
    memo_[index] = top();
  }

  void recall(uint64_t index) {
    const auto found = memo_.find(index);
    if (found == memo_.end()) damaged("a memo index that holds nothing");
    stack_.push_back(found->second);
  }

  void symbol(const std::string& module, const std::string& name) {
    if (is_dangerous(module, name)) {
      fail("{}: refusing the pickle's global '{} {}' at byte {}: not part of a model; the file is hostile",
           bytes_.where(), printable(module), printable(name), opcode_at_);
    }
    push_text(Kind::kSymbol, module + " " + name);
  }

  static std::string printable(std::string text) {
    std::replace_if(
        text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) - 0x20u >= 0x5fu; }, '?');
    return text.substr(0, 80);
  }

  void extend(Kind kind, const std::vector<Ref>& items) {
    Value& target = at(top());
    if (target.kind == Kind::kOpaque) return;
    if (target.kind != kind) damaged("an item for something else than a list, set or dictionary");
    target.items.insert(target.items.end(), items.begin(), items.end());
  }

  void set_items(const std::vector<Ref>& items) {
    if (items.size() % 2 != 0) damaged("a key without a value");
    for (size_t i = 0; i < items.size(); i += 2) {
      const Kind key = at(items[i]).kind;
      const bool simple = key == Kind::kText || key == Kind::kInteger || key == Kind::kBool ||
                          key == Kind::kNone || key == Kind::kSymbol || key == Kind::kTuple ||
                          key == Kind::kReal || key == Kind::kBytes;
      if (!simple && at(top()).kind != Kind::kOpaque) damaged("a key that is no text or number");
    }
    extend(Kind::kDict, items);
  }

  void reduce() {
    const Ref arguments = pop(), callee = pop();
    if (at(arguments).kind != Kind::kTuple) damaged("arguments that are no tuple");
    const Kind kind = at(callee).kind;
    if (kind != Kind::kSymbol && kind != Kind::kOpaque) damaged("a call of something that is no class");
    try {
      push(construct(pickle_, at(callee).text, at(arguments).items));
    } catch (const Error& error) {
      damaged(error.what());
    }
  }

  void new_object() {
    const Ref arguments = pop(), type = pop();
    if (at(arguments).kind != Kind::kTuple) damaged("arguments that are no tuple");
    if (at(type).kind != Kind::kSymbol && at(type).kind != Kind::kOpaque) damaged("an object of no class");
    const Ref none = push({});
    pop();
    push_items(Kind::kInstance, {type, none});
  }

  void build() {
    const Ref state = pop();
    Value& target = at(top());
    if (target.kind == Kind::kInstance) target.items[1] = state;
    const bool may_have_state = target.kind == Kind::kInstance || target.kind == Kind::kOpaque ||
                                target.kind == Kind::kDict || target.kind == Kind::kTensor;
    if (!may_have_state) damaged("a state for something that is no object");
  }

  void persistent() {
    const Ref id = pop();
    const std::vector<Ref> items = at(id).items;
    const bool sound = at(id).kind == Kind::kTuple && items.size() >= 5 && at(items[0]).text == "storage" &&
                       at(items[1]).kind == Kind::kSymbol && at(items[2]).kind == Kind::kText &&
                       at(items[4]).kind == Kind::kInteger && at(items[4]).integer >= 0;
    if (!sound) damaged("a persistent object that is no storage");
    Storage storage{at(items[2]).text, Element::kF32, at(items[4]).integer};
    if (!storage_element(at(items[1]).text, storage.element)) damaged("a storage of an unknown type");
    pickle_.storages.push_back(std::move(storage));
    push_integer(Kind::kStorage, static_cast<int64_t>(pickle_.storages.size() - 1));
  }

  int64_t long_integer(uint64_t count) {
    if (count > 8) damaged("an integer of more than 64 bits");
    const std::string bytes = take_text(count);
    uint64_t value = count > 0 && (static_cast<unsigned char>(bytes.back()) & 0x80) != 0 ? ~uint64_t{0} : 0;
    for (size_t i = count; i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[i]);
    return static_cast<int64_t>(value);
  }

  double big_endian_double() { return std::bit_cast<double>(__builtin_bswap64(take<uint64_t>())); }

  void step(uint8_t opcode) {
    switch (opcode) {
      case '.': {  // STOP
        pickle_.root = pop();
        if (!stack_.empty() || !marks_.empty()) damaged("values left over");
        if (at_ != bytes_.size()) damaged("bytes behind the end");
        done_ = true;
        return;
      }
      case '(':  // MARK
        if (marks_.size() >= model_limits::kPickleMarks) damaged("marks nested too deeply");
        return marks_.push_back(stack_.size());
      case '0':  // POP
        if (!marks_.empty() && stack_.size() == marks_.back()) return marks_.pop_back();
        pop();
        return;
      case '1':  // POP_MARK
        pop_to_mark();
        return;
      case '2':  // DUP
        return stack_.push_back(top());
      case 0x95:  // FRAME
        at_ += 8;
        return;
      default:
        break;
    }
    if (push_value(opcode) || collect(opcode) || remember(opcode)) return;
    bytes_.damaged("the opcode {:#04x} at byte {} of its pickle is not part of a checkpoint", opcode,
                   opcode_at_);
  }

  bool push_value(uint8_t opcode) {
    switch (opcode) {
      case 'N':
        return push({}), true;
      case 0x88:
      case 0x89:
        return push_integer(Kind::kBool, opcode == 0x88 ? 1 : 0), true;
      case 'J':
        return push_integer(Kind::kInteger, take<int32_t>()), true;
      case 'K':
        return push_integer(Kind::kInteger, take<uint8_t>()), true;
      case 'M':
        return push_integer(Kind::kInteger, take<uint16_t>()), true;
      case 0x8a:
        return push_integer(Kind::kInteger, long_integer(take<uint8_t>())), true;
      case 0x8b:
        return push_integer(Kind::kInteger, long_integer(take<uint32_t>())), true;
      case 'G': {
        const double real = big_endian_double();
        return push({Kind::kReal, 0, real, {}, {}}), true;
      }
      case 'X':
        return push_text(Kind::kText, take_text(take<uint32_t>())), true;
      case 0x8c:
        return push_text(Kind::kText, take_text(take<uint8_t>())), true;
      case 0x8d:
        return push_text(Kind::kText, take_text(take<uint64_t>())), true;
      case 'U':
        return push_text(Kind::kText, take_text(take<uint8_t>())), true;
      case 'T':
        return push_text(Kind::kText, take_text(take<uint32_t>())), true;
      case 'C':
        return push_text(Kind::kBytes, take_text(take<uint8_t>())), true;
      case 'B':
        return push_text(Kind::kBytes, take_text(take<uint32_t>())), true;
      case 0x8e:
        return push_text(Kind::kBytes, take_text(take<uint64_t>())), true;
      case 'c': {
        const std::string module = take_line();
        const std::string name = take_line();
        return symbol(module, name), true;
      }
      case 0x93: {
        const Ref name = pop(), module = pop();
        if (at(name).kind != Kind::kText || at(module).kind != Kind::kText)
          damaged("a global without a name");
        const std::string module_text = at(module).text, name_text = at(name).text;
        return symbol(module_text, name_text), true;
      }
      default:
        return false;
    }
  }

  bool collect(uint8_t opcode) {
    switch (opcode) {
      case ')':
        return push_items(Kind::kTuple, {}), true;
      case 0x85:
      case 0x86:
      case 0x87:
        return push_items(Kind::kTuple, pop_last(opcode - size_t{0x84})), true;
      case 't':
        return push_items(Kind::kTuple, pop_to_mark()), true;
      case ']':
        return push_items(Kind::kList, {}), true;
      case 'l':
        return push_items(Kind::kList, pop_to_mark()), true;
      case 'a':
        return extend(Kind::kList, {pop()}), true;
      case 'e': {
        const std::vector<Ref> items = pop_to_mark();
        return extend(Kind::kList, items), true;
      }
      case '}':
        return push_items(Kind::kDict, {}), true;
      case 's': {
        const std::vector<Ref> items = pop_last(2);
        return set_items(items), true;
      }
      case 'u': {
        const std::vector<Ref> items = pop_to_mark();
        return set_items(items), true;
      }
      case 0x8f:
        return push_items(Kind::kSet, {}), true;
      case 0x90: {
        const std::vector<Ref> items = pop_to_mark();
        return extend(Kind::kSet, items), true;
      }
      case 0x91:
        return push_items(Kind::kSet, pop_to_mark()), true;
      case 'R':
        return reduce(), true;
      case 0x81:
        return new_object(), true;
      case 0x92: {  // NEWOBJ_EX: with keyword arguments, which nothing here reads
        pop();
        return new_object(), true;
      }
      case 'b':
        return build(), true;
      case 'Q':
        return persistent(), true;
      default:
        return false;
    }
  }

  bool remember(uint8_t opcode) {
    switch (opcode) {
      case 'q':
        return memoize(take<uint8_t>()), true;
      case 'r':
        return memoize(take<uint32_t>()), true;
      case 0x94:
        return memoize(memo_.size()), true;
      case 'h':
        return recall(take<uint8_t>()), true;
      case 'j':
        return recall(take<uint32_t>()), true;
      default:
        return false;
    }
  }

  ByteReader bytes_;
  uint64_t at_ = 0, opcode_at_ = 0;
  bool done_ = false;
  Pickle pickle_;
  std::vector<Ref> stack_;
  std::vector<size_t> marks_;
  std::unordered_map<uint64_t, Ref> memo_;
};

}  // namespace

uint64_t element_size(Element element) {
  switch (element) {
    case Element::kF64:
    case Element::kI64:
      return 8;
    case Element::kF32:
    case Element::kI32:
      return 4;
    case Element::kF16:
    case Element::kBf16:
    case Element::kI16:
      return 2;
    default:
      return 1;
  }
}

Pickle read_pickle(std::string_view bytes, const std::string& where) {
  return Machine(bytes, where).run();
}

}  // namespace shrike::graph::pt
