// matmul: products y = x W^T alone, as the layers run them (panels shared out for few rows, rows
// for many), over copies of W that together do not fit the cache.
#include <charconv>
#include <memory>
#include <utility>
#include <vector>

#include "bench/bench.hpp"
#include "bench/random_values.hpp"
#include "llm/nn/layers.hpp"
#include "llm/nn/pass.hpp"

namespace llm::bench {

namespace {

struct Product {
  std::int64_t outputs = 0, inputs = 0, rows = 0;
};

Product parse_product(const std::string& text) {
  Product product;
  std::int64_t* const sizes[] = {&product.outputs, &product.inputs, &product.rows};
  constexpr std::int64_t largest = 1 << 20;
  const char* at = text.data();
  const char* const end = at + text.size();
  for (std::int64_t* const size : sizes) {
    const auto [next, error] = std::from_chars(at, end, *size);
    const bool last = size == sizes[2];
    if (error != std::errc() || *size < 1 || *size > largest || (next == end) != last ||
        (!last && *next != 'x')) {
      throw Error(
          ErrorCode::invalid_option,
          "--product " + quote(text) + " is none; expected OUTPUTSxINPUTSxROWS, as in 4096x4096x1",
          "--product");
    }
    at = next + (last ? 0 : 1);
  }
  return product;
}

std::vector<Product> products(const Options& options) {
  std::vector<Product> result;
  for (const std::string& text : options.products) result.push_back(parse_product(text));
  if (!result.empty()) return result;
  for (const char* text : {"4096x4096x1", "4096x4096x4", "4096x4096x16", "4096x4096x128",
                           "4096x4096x512", "1536x576x1", "1536x576x512"}) {
    result.push_back(parse_product(text));
  }
  return result;
}

// Enough copies of one matrix to be read from memory and not from a cache.
template <typename S>
std::vector<Linear<S>> copies(const Product& product, const LoadOptions& options,
                              ThreadPool& pool) {
  constexpr std::size_t beyond_caches = 256u << 20, most = 512;
  const std::vector<float> values = random_normal(product.outputs * product.inputs, 0.02f);
  const FileTensor tensor{
      "w", DType::f32, {product.outputs, product.inputs}, std::as_bytes(std::span(values))};
  const MatrixSource source{{{&tensor, false}}, {}};
  const WeightLayout layout = std::is_same_v<S, float> ? WeightLayout::panels : WeightLayout::rows;
  const std::optional<DType> dtype =
      layout == WeightLayout::panels ? dtype_of(options.weights) : std::optional<DType>();
  std::vector<Linear<S>> result;
  for (std::size_t bytes = 0; bytes < beyond_caches && result.size() < most;) {
    const auto weight = std::make_shared<Weight>(source, layout, pool, dtype);
    weight->set_fast(options.fast);
    bytes += weight->bytes();
    result.push_back(Linear<S>({weight}, {}));
  }
  return result;
}

template <typename S>
class Timing {
 public:
  Timing(const Product& product, const LoadOptions& options, ThreadPool& pool)
      : product_(product),
        pool_(pool),
        linears_(copies<S>(product, options, pool)),
        x_(product.rows, product.inputs),
        y_(product.rows, product.outputs),
        scratch_(take_scratch<S>(product.inputs, pool, workspace_)) {
    const std::vector<float> values = random_normal(product.rows * product.inputs, 1.0f);
    std::copy(values.begin(), values.end(), x_.data());
  }

  // Products that take about a tenth of a second.
  int count() const {
    const double macs = static_cast<double>(product_.outputs * product_.inputs * product_.rows);
    return static_cast<int>(std::max(1.0, std::min(2e9 / macs, 4.0 * double(linears_.size()))));
  }

  void run(int count) {
    pool_.run([&](const Worker& worker) {
      for (int i = 0; i < count; ++i) {
        one(linears_[static_cast<std::size_t>(i) % linears_.size()], worker);
        worker.sync();
      }
    });
  }

 private:
  void one(const Linear<S>& linear, const Worker& worker) {
    const bool by_rows = product_.rows >= rows_per_worker_to_split * worker.count();
    const Range rows = by_rows ? worker.share(product_.rows) : Range{0, product_.rows};
    const Range panels = by_rows ? Range{0, linear.panels()} : worker.share(linear.panels());
    linear.forward(std::as_const(x_).view().rows(rows), panels, y_.view().rows(rows),
                   scratch_.row(worker.index()));
  }

  Product product_;
  ThreadPool& pool_;
  std::vector<Linear<S>> linears_;
  Tensor<S> x_, y_;
  Workspace workspace_;
  TensorView<S> scratch_;  // of each worker
};

}  // namespace

template <typename S>
void bench_matmul(const Setting& setting) {
  ThreadPool pool(setting.threads);
  const LoadOptions options = setting.load_options();
  for (const Product& product : products(setting.options)) {
    Timing<S> timing(product, options, pool);
    const int count = timing.count();
    const std::vector<double> times = repeated_seconds(setting, [&] { timing.run(count); });
    const double operations = 2.0 * static_cast<double>(product.outputs * product.inputs) *
                              static_cast<double>(product.rows) * count;
    print_figure(
        setting,
        {"matmul",
         "GFLOP/s",
         rates(operations / 1e9, times),
         {{"outputs", product.outputs}, {"inputs", product.inputs}, {"rows", product.rows}}});
  }
}

template void bench_matmul<float>(const Setting&);
template void bench_matmul<double>(const Setting&);

}  // namespace llm::bench
