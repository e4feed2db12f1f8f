// Files of torch.save: the tensors torch itself reads from them, and what is refused: pickles that
// would run something, layouts beyond their storage, archives that lie.
#include <algorithm>
#include <filesystem>
#include <string>

#include "llm/weights/weight_store.hpp"
#include "support/catch_error.hpp"
#include "support/paths.hpp"
#include "support/temp_dir.hpp"
#include "support/write_pytorch_bin.hpp"
#include "support/write_safetensors.hpp"

namespace {

using namespace llm::test;
using llm::ErrorCode;
using llm::FileTensor;
using llm::WeightStore;

std::filesystem::path data_dir() { return source_dir() / "tests" / "unit" / "data"; }

void expect_open_error(ErrorCode code, const std::string& part, const std::string& bytes) {
  const TempDir dir;
  const auto file = dir.write("pytorch_model.bin", bytes);
  expect_error(code, part, [&] { WeightStore::open(file); });
}

void expect_refused_pickle(ErrorCode code, const std::string& part, const std::string& pickle) {
  expect_open_error(code, part, pytorch_bin(pickle));
}

// A call within calls as torch never writes it, shared by many tensors: looking through all of it
// for each of them would take minutes.
TEST(PytorchBin, RefusesParametersOfParameters) {
  std::string call = PickledTensor{.shape = {2}, .strides = {1}}.bytes();
  for (int i = 0; i < 20'000; ++i)  // remembered, and the argument of the next
    call +=
        "q\x01"
        "0"
        "ctorch._utils\n_rebuild_parameter\nh\x01\x85R";
  std::string items = pickle_text("t0") + call + std::string("r\x07\0\0\0", 5);
  for (int i = 1; i < 10'000; ++i)
    items += pickle_text("t" + std::to_string(i)) + std::string("j\x07\0\0\0", 5);
  expect_refused_pickle(ErrorCode::bad_format, "a parameter of a parameter", pickle_dict(items));
}

// What takes memory out of proportion is refused at a limit, long before the file ends.
TEST(PytorchBin, RefusesPicklesOfTooManyValues) {
  constexpr std::size_t many = 5'000'000;
  const auto pickle = [](const std::string& repeated) {
    std::string text = "\x80\x02";
    for (std::size_t i = 0; i < many; ++i) text += repeated;
    return text + "N.";
  };
  const auto refused = [&](const std::string& part, const std::string& repeated) {
    expect_refused_pickle(ErrorCode::bad_format, part, pickle(repeated));
  };
  refused("values on its stack", "N");
  refused("more than 1500000 values", "]0");
  refused("values on its stack", "]2");
  refused("marks within each other", "(");
  refused("remembers more than 1500000 values", std::string("]\x94") + std::string(8, '\x94'));
}

// --- what torch wrote ---

struct Written {
  const char* file;
  const char* expected;
};

class TorchFile : public testing::TestWithParam<Written> {};

TEST_P(TorchFile, HoldsTheTensorsTorchReads) {
  const auto got = WeightStore::open(data_dir() / GetParam().file);
  const auto expected = WeightStore::open(data_dir() / GetParam().expected);
  ASSERT_EQ(got->names(), expected->names());
  for (const std::string& name : got->names()) {
    const FileTensor &a = *got->find(name), &b = *expected->find(name);
    EXPECT_EQ(a.dtype, b.dtype) << name;
    EXPECT_EQ(a.shape, b.shape) << name;
    EXPECT_TRUE(std::ranges::equal(a.bytes, b.bytes)) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(All, TorchFile,
                         testing::Values(Written{"torch_zip.bin", "torch_tensors.safetensors"},
                                         Written{"torch_legacy.bin", "torch_tensors.safetensors"},
                                         Written{"torch_nested.bin", "torch_tensors.safetensors"},
                                         Written{"torch_module.bin", "torch_module.safetensors"}),
                         [](const auto& test) {
                           const std::string name = test.param.file;
                           return name.substr(0, name.find('.'));
                         });

TEST(PytorchBin, CopiesOnlyWhatIsNotInOrder) {
  for (const char* const name : {"torch_zip.bin", "torch_legacy.bin"}) {
    const auto store = WeightStore::open(data_dir() / name);
    const std::byte* const base = store->find("base")->bytes.data();
    EXPECT_EQ(store->find("tied")->bytes.data(), base);
    EXPECT_EQ(store->find("rows")->bytes.data(), base + 2 * 5 * 4);
    EXPECT_NE(store->find("transposed")->bytes.data(), base);
  }
}

// --- which files ---

TEST(PytorchBin, IsFoundInFoldersAndByItsFirstBytes) {
  const TempDir dir;
  const PickledTensor tensor{{2}, {1}};
  const std::string bytes = pytorch_bin(pickle_dict(pickle_text("a") + tensor.bytes()));
  const auto file = dir.write("pytorch_model.bin", bytes);
  EXPECT_EQ(WeightStore::open(dir.path())->files(), std::vector<std::filesystem::path>{file});
  EXPECT_NE(WeightStore::open(dir.write("no-extension", bytes))->find("a"), nullptr);
  const auto preferred = dir.write("model.safetensors", one_tensor("b"));
  EXPECT_EQ(WeightStore::open(dir.path())->files(), std::vector<std::filesystem::path>{preferred});
}

TEST(PytorchBin, JoinsShards) {
  const TempDir dir;
  const PickledTensor tensor{{2}, {1}};
  dir.write("1.bin", pytorch_bin(pickle_dict(pickle_text("a") + tensor.bytes())));
  dir.write("2.bin", pytorch_bin(pickle_dict(pickle_text("b") + tensor.bytes())));
  const auto index =
      dir.write("pytorch_model.bin.index.json", R"({"weight_map":{"a":"1.bin","b":"2.bin"}})");
  for (const auto& path : {dir.path(), index}) {
    EXPECT_EQ(WeightStore::open(path)->names(), (std::vector<std::string>{"a", "b"}));
  }
}

// --- pickles that want more than tensors ---

const std::string protocol = "\x80\x02";

TEST(PytorchBin, RunsNothing) {
  const auto run = [](const std::string& module, const std::string& name) {
    return pickle_call(module, name, pickle_text("touch /tmp/x"));
  };
  const auto refused = [](const std::string& name, const std::string& pickle) {
    expect_refused_pickle(ErrorCode::unsupported, "would run " + name + ",", pickle);
    expect_open_error(ErrorCode::unsupported, "would run " + name + ",", pickle);  // without zip
  };
  refused("posix.system", protocol + run("posix", "system") + ".");
  refused("builtins.eval", protocol + run("builtins", "eval") + ".");
  refused("torch.storage._load_from_bytes",
          protocol + run("torch.storage", "_load_from_bytes") + ".");
  refused("torch._utils.../x", protocol + run("torch._utils", "../x") + ".");
  refused("os.system", protocol + pickle_text("os") + pickle_text("system") + "\x93" +
                           pickle_text("x") + "\x85R.");
  refused("posix.system", protocol + "(" + pickle_text("ls") + "iposix\nsystem\n.");
  // Hidden in the attributes, in the name and in the storage of a tensor.
  refused("nt.system", protocol + "}}" + run("nt", "system") + "Nsb.");
  refused("nt.system", pickle_dict(run("nt", "system") + "N"));
  refused("nt.system", protocol + "(" + pickle_text("storage") + "cnt\nsystem\ntQ.");
}

TEST(PytorchBin, NamesTheOpcodeItDoesNotFollow) {
  const auto refused = [](const std::string& part, const std::string& pickle) {
    expect_refused_pickle(ErrorCode::unsupported, part, pickle);
  };
  refused("opcode NEWOBJ (0x81)",
          "\x80\x02"
          "ccollections\nOrderedDict\n)\x81.");
  refused("opcode EXT1 (0x82)", "\x80\x02\x82\x01.");
  refused("opcode NEXT_BUFFER (0x97)", "\x80\x05\x97.");
  refused("opcode INST (0x69)", "\x80\x02(icollections\nOrderedDict\n.");
  refused("opcode STRING (0x53)", "S'a'\n.");
  refused("pickle protocol 1", "\x80\x01N.");
  refused("pickle protocol 6", "\x80\x06N.");
  expect_refused_pickle(ErrorCode::bad_format, "0xff is no opcode", "\x80\x02\xff");
}

TEST(PytorchBin, RefusesDamagedPickles) {
  const auto refused = [](const std::string& part, const std::string& pickle) {
    expect_refused_pickle(ErrorCode::bad_format, part, pickle);
  };
  refused("stack is empty", "\x80\x02.");
  refused("stack is empty", "\x80\x02N(.");  // beyond the mark
  refused("no mark", "\x80\x02Nt.");
  refused("expected a list", "\x80\x02}Na.");
  refused("expected a dict", "\x80\x02]NNs.");
  refused("has no value", "\x80\x02}(Nu.");
  refused("memo entry 7 was never written", std::string("\x80\x02h\x07."));
  refused("expected a function", "\x80\x02N)R.");
  refused("expected a tuple of arguments",
          "\x80\x02"
          "ctorch\nSize\n]R.");
  refused("needs 4294967295 bytes",
          "\x80\x02X\xff\xff\xff\xff"
          "a.");
  refused("a name has no end",
          "\x80\x02"
          "ctorch");
  refused("needs 1 bytes, only 0", "\x80\x02NN");
  std::string marks = protocol;
  for (int i = 0; i < 3'500'000; ++i) marks += "(1";  // POP_MARK
  refused("takes more than", marks);
  refused("holds no tensors by name", "\x80\x02N.");
  refused("holds no tensors by name", pickle_dict(pickle_text("a") + "N"));
}

// What refers to itself must neither hang nor leak.
TEST(PytorchBin, StandsCycles) {
  const std::string cycle = std::string("\x80\x02}q\x01") + pickle_text("model") + "h\x01s.";
  expect_refused_pickle(ErrorCode::bad_format, "holds no tensors by name", cycle);
  // A tuple given over and over as the pairs of an OrderedDict would multiply.
  std::string many = "\x80\x02((";
  for (int i = 0; i < 5000; ++i) many += "NN\x86";
  many += "ttq\x01";
  for (int i = 0; i < 5000; ++i) many += std::string("ccollections\nOrderedDict\nh\x01R");
  expect_refused_pickle(ErrorCode::bad_format, "takes more than", many + ".");
}

// --- tensors that do not fit ---

TEST(PytorchBin, ChecksLayoutsAgainstTheStorage) {
  constexpr std::int64_t beyond_all = std::int64_t{1} << 62;
  const auto pickle = [](const PickledTensor& tensor) {
    return pickle_dict(pickle_text("w") + tensor.bytes());
  };
  const auto refused = [&](const std::string& part, const PickledTensor& tensor) {
    expect_refused_pickle(ErrorCode::bad_format, part, pickle(tensor));
  };
  const std::string beyond = "\"w\" reaches beyond its storage";
  refused(beyond, {{9}, {1}});
  refused(beyond, {{2, 4}, {5, 1}});
  refused(beyond, {{8}, {1}, 1});
  refused(beyond, {{1}, {1}, beyond_all});
  refused(beyond, {{3}, {beyond_all}});
  refused(beyond, {{beyond_all, beyond_all}, {0, 0}});
  refused(beyond, {{2, 2}, {1}});
  refused("out of proportion", {{beyond_all / 4}, {0}});
  refused("whole numbers from 0", {{-1}, {1}});
  refused("whole numbers from 0", {{2}, {-1}});
  refused("whole numbers from 0", {std::vector<std::int64_t>(17, 1), {}});
  refused("not made of a storage", {{1}, {1}, -1});
  refused("storage \"0\" is said to have 9 values", {{1}, {1}, 0, 9});
  refused("storage \"0\" is said to have", {{1}, {1}, 0, beyond_all});
  refused("not a storage", {{1}, {1}, 0, -1});
  const TempDir dir;
  const auto store =
      WeightStore::open(dir.write("m.bin", pytorch_bin(pickle({{0, 5}, {5, 1}, beyond_all}))));
  EXPECT_TRUE(store->find("w")->bytes.empty());
}

TEST(PytorchBin, RefusesMalformedTensors) {
  const auto refused = [](ErrorCode code, const std::string& part, const std::string& value) {
    expect_refused_pickle(code, part, pickle_dict(pickle_text("w") + value));
  };
  const auto rebuild = [](const std::string& arguments) {
    return pickle_call("torch._utils", "_rebuild_tensor_v2", arguments);
  };
  const std::string rest = pickle_int(0) + pickle_tuple({1}) + pickle_tuple({1}) + "\x89}";
  refused(ErrorCode::bad_format, "not made of a storage", rebuild(""));
  refused(ErrorCode::bad_format, "not made of a storage", rebuild("N" + rest));
  refused(ErrorCode::bad_format, "\"w\" is damaged",
          pickle_call("torch._utils", "_rebuild_parameter", ""));
  refused(ErrorCode::bad_format, "storage \"7\", which the file does not have",
          rebuild(pickle_storage("FloatStorage", "7", 1) + rest));
  refused(ErrorCode::bad_format, "no type of storage",
          rebuild(pickle_storage("Size", "0", 1) + rest));
  refused(ErrorCode::unsupported, "would run torch.QInt8Storage",
          rebuild(pickle_storage("QInt8Storage", "0", 1) + rest));
  const std::string tensor = PickledTensor{{1}, {1}}.bytes();
  refused(ErrorCode::bad_format, "\"w\" occurs twice", tensor + pickle_text("w") + tensor);
}

// --- archives that lie ---

// Offsets of fields in an entry of the directory and in the header before a member.
constexpr std::uint32_t entry_flags = 8, entry_method = 10, entry_packed = 20, entry_size = 24,
                        entry_name_size = 28, entry_begin = 42, header_size = 22;

TEST(PytorchBin, RefusesLyingArchives) {
  ZipWriter zip;
  zip.add("m/data.pkl", pickle_dict(pickle_text("w") + PickledTensor{{1}, {1}}.bytes()));
  const std::string whole = zip.add("m/data/0", std::string(32, 'f')).bytes();
  const auto entry = zip.entries[1];
  const auto refused = [&](const std::string& part, std::size_t at, std::uint32_t value) {
    expect_open_error(ErrorCode::bad_format, part, poke(whole, at, value));
  };
  refused("32 bytes in the archive and 33", entry + entry_size, 33);
  refused("1 bytes in the archive and 32", entry + entry_packed, 1);
  refused("described differently", zip.headers[1] + header_size, 31);
  refused("described differently", entry + entry_begin, zip.headers[0]);
  refused("outside the file", entry + entry_begin, 0xffff'fff0);
  refused("zip64 field of the zip directory is missing", entry + entry_begin, 0xffff'ffff);
  refused("directory is damaged", entry + entry_name_size, 0xffff);
  refused("directory is damaged", entry, 0);
  const std::size_t end = whole.size() - 22;
  refused("outside the file", end + 16, 0x7fff'ffff);
  refused("which cannot be", end + 8, 0xffff'ffff);
  refused("does not end where", end + 8, 0x0001'0001);
  expect_open_error(ErrorCode::unsupported, "several parts",
                    poke<std::uint16_t>(whole, end + 4, 1));
  expect_open_error(ErrorCode::bad_format, "cut off", whole.substr(0, whole.size() - 1));
  expect_open_error(ErrorCode::unsupported, "is compressed (method 8)",
                    poke<std::uint16_t>(whole, entry + entry_method, 8));
  expect_open_error(ErrorCode::unsupported, "is encrypted",
                    poke<std::uint16_t>(whole, entry + entry_flags, 1));
}

TEST(PytorchBin, RefusesOverlapAndTwins) {
  // A member that contains another one, header and all: how small archives grow without end.
  const std::string inner = ZipWriter().add("b", "data").bytes().substr(0, 31 + 4);
  ZipWriter outer;
  const std::string apart = outer.add("a", inner).add("b", "data").bytes();
  const auto inside = static_cast<std::uint32_t>(30 + 1);
  expect_open_error(ErrorCode::bad_format, "\"a\" and \"b\" overlap",
                    poke(apart, outer.entries[1] + entry_begin, inside));
  expect_open_error(ErrorCode::bad_format, "\"a\" occurs twice",
                    ZipWriter().add("a", "x").add("a", "y").bytes());
}

TEST(PytorchBin, NamesOtherArchives) {
  expect_open_error(ErrorCode::bad_format, "zip archive without data.pkl",
                    ZipWriter().add("word/document.xml", "x").bytes());
  expect_open_error(ErrorCode::unsupported, "TorchScript",
                    ZipWriter().add("m/constants.pkl", "x").add("m/data.pkl", "x").bytes());
  expect_open_error(ErrorCode::unsupported, "big-endian",
                    ZipWriter().add("m/byteorder", "big").add("m/data.pkl", "x").bytes());
  expect_open_error(ErrorCode::bad_format, "neither a zip archive nor a pickle", "<html>");
  expect_open_error(ErrorCode::bad_format, "neither a zip archive nor a pickle", "");
  expect_open_error(ErrorCode::bad_format, "not one that torch.save wrote", "\x80\x02N.");
}

}  // namespace
