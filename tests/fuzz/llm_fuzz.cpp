// libFuzzer's entry points: all targets in one program.
//   llm-fuzz --target=NAME [--cpu-seconds=N] CORPUS [libFuzzer's options]
//                                              N: what an input may take; libFuzzer's own limit is
//                                              of real time, which other processes use up
//   llm-fuzz --target=NAME --seeds=FOLDER      writes the sound inputs there
//   llm-fuzz --list                            the names of the targets
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>
#include <string_view>

#include "fuzz/structure_mutator.hpp"
#include "fuzz/targets.hpp"

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size);

namespace {

const llm::fuzz::Target* chosen = nullptr;
double most_seconds = 1;

double cpu_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

void write_seeds(const std::filesystem::path& folder) {
  std::filesystem::create_directories(folder);
  int number = 0;
  for (const auto& parts : chosen->seeds()) {
    std::ofstream file(folder / (std::string("seed-") + std::to_string(number++)),
                       std::ios::binary);
    file << llm::fuzz::folder_bytes(parts);
  }
}

std::string with_libfuzzer(std::string bytes) {
  constexpr std::size_t room = 64;
  const std::size_t size = bytes.size();
  bytes.resize(size + room);
  auto* data = reinterpret_cast<std::uint8_t*>(bytes.data());
  bytes.resize(LLVMFuzzerMutate(data, size, bytes.size()));
  return bytes;
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv) {
  constexpr std::string_view target = "--target=", seeds = "--seeds=", cpu = "--cpu-seconds=";
  std::string seed_folder;
  for (int i = 1; i < *argc; ++i) {
    const std::string_view argument = (*argv)[i];
    if (argument == "--list") {
      for (const auto& each : llm::fuzz::targets()) std::cout << each.name << '\n';
      std::exit(0);
    }
    if (argument.starts_with(target))
      chosen = llm::fuzz::find_target(argument.substr(target.size()));
    if (argument.starts_with(cpu)) most_seconds = std::atof((*argv)[i] + cpu.size());
    if (argument.starts_with(seeds)) seed_folder = argument.substr(seeds.size());
  }
  if (chosen == nullptr) {
    std::cerr << "llm-fuzz: --target=NAME is missing or unknown; --list shows the names\n";
    std::exit(2);
  }
  if (!seed_folder.empty()) {
    write_seeds(seed_folder);
    std::exit(0);
  }
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const double before = cpu_seconds();
  (void)llm::fuzz::run(*chosen, {reinterpret_cast<const char*>(data), size});
  const double taken = cpu_seconds() - before;
  if (taken > most_seconds) {
    std::cerr << "llm-fuzz: SUMMARY: this input took " << taken << " s of processor time\n";
    std::abort();
  }
  return 0;
}

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t max_size, unsigned seed) {
  llm::fuzz::StructureMutator mutate(seed, with_libfuzzer);
  const std::string damaged = mutate.folder(std::string(reinterpret_cast<const char*>(data), size));
  if (damaged.size() > max_size) return size;
  std::memcpy(data, damaged.data(), damaged.size());
  return damaged.size();
}
