// Checks a description and finds out what feeds what.
#include "llm/chain/chain_plan.hpp"

#include <algorithm>
#include <set>

#include "chain/chain_scope.hpp"
#include "chain/chain_tasks.hpp"
#include "chain/step_options.hpp"
#include "core/folder.hpp"
#include "llm/core/error.hpp"

namespace llm {
namespace {

using detail::bad_chain;
using detail::ChainName;
using detail::ChainTask;
using detail::find_chain_task;
using detail::find_planned;
using detail::nearest_or_list;
using detail::read_chain_name;
using Names = std::vector<std::string_view>;

const ChainSetting* find_text(const ChainStep& step, std::string_view name) {
  const auto found = std::ranges::find(step.texts, name, &ChainSetting::name);
  return found == step.texts.end() ? nullptr : &*found;
}

bool is_step_name(std::string_view name) {
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
  };
  return !name.empty() && std::ranges::all_of(name, fits);
}

// A step on its own: its task, the texts it takes, the members that go together.
class StepChecker {
 public:
  StepChecker(ChainStep& step, std::string where) : step_(step), where_(std::move(where)) {}

  const ChainTask& check() {
    check_name();
    const ChainTask& task = take_task();
    if (!step_.map.empty() && !step_.reduce.empty())
      bad_chain(where_, "\"map\" and \"reduce\" exclude each other; make two steps");
    add_main_text(task);
    check_texts(task);
    check_members(task);
    detail::check_step_options(task, detail::StepOptions(task, step_, where_ + ", \"options\""));
    return task;
  }

 private:
  void check_name() const {
    if (!is_step_name(step_.name))
      bad_chain(where_, "the name " + quote(step_.name) +
                            " must consist of letters, digits, _ and -, to stand in {{...}}");
    for (const char* reserved : {"item", "items", "index"})
      if (step_.name == reserved)
        bad_chain(where_, quote(step_.name) +
                              " has a meaning of its own in templates; choose "
                              "another name");
  }

  const ChainTask& take_task() {
    if (step_.task.empty() && find_text(step_, "prompt")) step_.task = "generate";
    if (step_.task.empty() && !step_.reduce.empty() && step_.model.empty()) step_.task = "text";
    Names names;
    for (const ChainTask& task : detail::chain_tasks()) names.push_back(task.name);
    if (step_.task.empty()) bad_chain(where_, "\"task\" is missing" + nearest_or_list("", names));
    const ChainTask* const task = find_chain_task(step_.task);
    if (task == nullptr)
      bad_chain(where_,
                "there is no task " + quote(step_.task) + nearest_or_list(step_.task, names));
    return *task;
  }

  // What a step maps over or reduces is its text unless it says another.
  void add_main_text(const ChainTask& task) {
    if (task.texts.empty() || find_text(step_, task.texts[0])) return;
    if (!step_.map.empty()) step_.texts.push_back({std::string(task.texts[0]), "{{item}}"});
    if (!step_.reduce.empty()) step_.texts.push_back({std::string(task.texts[0]), "{{items}}"});
  }

  void check_texts(const ChainTask& task) const {
    Names known = task.texts;
    known.insert(known.end(), task.more_texts.begin(), task.more_texts.end());
    for (const std::string_view name : task.texts)
      if (!find_text(step_, name))
        bad_chain(where_,
                  quote(name) + " is missing, which the task " + quote(task.name) + " needs");
    for (const ChainSetting& text : step_.texts) {
      if (task.name == "few-shot" && text.name.starts_with("fields.")) continue;
      if (std::ranges::count(known, text.name) == 0)
        bad_chain(where_, "the task " + quote(task.name) + " takes no " + quote(text.name) +
                              nearest_or_list(text.name, known));
    }
  }

  void check_members(const ChainTask& task) const {
    const auto needs = [&](const char* key, bool given, bool wanted, bool must) {
      if (given && !wanted)
        bad_chain(where_, "the task " + quote(task.name) + " takes no " + quote(key));
      if (!given && wanted && must)
        bad_chain(where_,
                  quote(key) + " is missing, which the task " + quote(task.name) + " needs");
    };
    const bool retrieves = task.name == "retrieve", few_shot = task.name == "few-shot";
    needs("file", !step_.file.empty(), retrieves, true);
    needs("field", !step_.field.empty(), retrieves, false);
    needs("template", !step_.few_shot_template.empty(), few_shot, true);
    needs("examples", !step_.examples.empty(), few_shot, false);
    needs("repeat", step_.repeat.has_value(), task.name == "generate", false);
    needs("model", !step_.model.empty(), task.has_model, false);
    needs("separator", step_.separator.has_value(),
          retrieves || task.name == "split" || !step_.reduce.empty(), false);
    needs("each", step_.each.has_value(), retrieves || !step_.reduce.empty(), false);
    if (detail::has_several_answers(step_) && (!step_.map.empty() || step_.repeat))
      bad_chain(where_, std::string("num_return_sequences must be 1 where a step has \"") +
                            (step_.repeat ? "repeat" : "map") +
                            "\": it has one value for each element or round");
    if (task.name == "split" && !step_.map.empty())
      bad_chain(where_, "a split step makes a list and so cannot map over one");
    if (task.name == "split" && step_.separator && step_.separator->empty())
      bad_chain(where_, "\"separator\" must not be empty");
  }

  ChainStep& step_;
  std::string where_;
};

std::string joined(const std::vector<std::string>& names, const char* separator) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : separator) + name;
  return text;
}

// Line ends and quotes escaped, all else as it is.
std::string as_json(const std::string& text) {
  return detail::Json(text).dump(-1, ' ', false, detail::Json::error_handler_t::replace);
}

bool same_source(const ChainModelSource& a, const ChainModelSource& b) {
  return a.path == b.path && a.weights == b.weights &&
         std::ranges::equal(a.adapters, b.adapters, [](const Adapter& x, const Adapter& y) {
           return x.path == y.path && x.weight == y.weight;
         });
}

// Follows needs until a step comes for the second time.
class CycleSearch {
 public:
  explicit CycleSearch(const std::vector<PlannedStep>& steps)
      : steps_(steps), state_(steps.size(), State::unseen) {}

  // "a -> b -> a", each uses the next; empty when there is no cycle.
  std::string find() {
    for (std::size_t i = 0; i < steps_.size(); ++i)
      if (visit(i)) return text_;
    return {};
  }

 private:
  enum class State { unseen, open, done };

  // With a stack of its own: a chain may have many steps.
  bool visit(std::size_t first) {
    if (state_[first] != State::unseen) return false;
    std::vector<std::pair<std::size_t, std::size_t>> path = {{first, 0}};
    state_[first] = State::open;
    while (!path.empty()) {
      auto& [step, next] = path.back();
      if (next == steps_[step].needs.size()) {
        state_[step] = State::done;
        path.pop_back();
        continue;
      }
      const std::size_t needed = steps_[step].needs[next++];
      if (state_[needed] == State::open) return describe(path, needed);
      if (state_[needed] == State::done) continue;
      state_[needed] = State::open;
      path.emplace_back(needed, 0);
    }
    return false;
  }

  bool describe(const std::vector<std::pair<std::size_t, std::size_t>>& path, std::size_t again) {
    constexpr std::ptrdiff_t most_named = 20;
    const auto first = std::ranges::find(path, again, &std::pair<std::size_t, std::size_t>::first);
    const std::ptrdiff_t count = path.end() - first;
    for (std::ptrdiff_t i = 0; i < std::min(count, most_named); ++i)
      text_ += steps_[first[i].first].step.name + " -> ";
    if (count > most_named) text_ += "... (" + std::to_string(count - most_named) + " more) -> ";
    text_ += steps_[again].step.name;
    return true;
  }

  const std::vector<PlannedStep>& steps_;
  std::vector<State> state_;
  std::string text_;
};

// The names in one template of a step.
class NameChecker {
 public:
  NameChecker(const ChainDescription& description, const std::vector<PlannedStep>& steps,
              std::size_t step)
      : description_(description), steps_(steps), step_(steps[step].step) {}

  // Whether all names mean something; adds what is used.
  bool check(const TextTemplate& text, bool is_each, std::vector<ChainName>& used) const {
    bool all = true;
    for (const std::string& name : text.field_names()) {
      used.push_back(read_chain_name(steps_, name));
      all = all && means_something(used.back(), is_each);
    }
    return all;
  }

  // For the error about a name that means nothing.
  Fields known(bool is_each) const {
    Fields names;
    for (const PlannedStep& planned : steps_) {
      if (&planned.step == &step_) continue;
      names[planned.step.name];
      for (const std::string_view field : fields_of(planned))
        names[planned.step.name + "." + std::string(field)];
    }
    if (description_.inputs)
      for (const ChainInput& input : *description_.inputs) names[input.name];
    if (is_each || !step_.map.empty()) names["item"], names["index"];
    for (const std::string_view field : item_fields(is_each)) names["item." + std::string(field)];
    if (!is_each && !step_.reduce.empty()) names["items"];
    return names;
  }

  bool has_input(std::string_view name) const {
    if (!description_.inputs) return true;
    const auto named = [&](std::string_view wanted) {
      return std::ranges::count(*description_.inputs, wanted, &ChainInput::name) > 0;
    };
    return named(name) || named(name.substr(0, name.find('.')));
  }

 private:
  static Names fields_of(const PlannedStep& planned) {
    Names names = detail::value_fields(*find_chain_task(planned.step.task), planned.step);
    names.emplace_back("text");
    return names;
  }

  // Of {{item.field}}; empty when they are not known.
  Names item_fields(bool is_each) const {
    if (is_each && step_.reduce.empty()) return {};  // rows of a file
    const auto source = find_planned(steps_, step_.map.empty() ? step_.reduce : step_.map);
    if (!source) return {};
    const PlannedStep& planned = steps_[*source];
    if (planned.maps()) return fields_of(planned);
    return detail::item_fields(*find_chain_task(planned.step.task), planned.step);
  }

  bool means_something(const ChainName& name, bool is_each) const {
    using Kind = ChainName::Kind;
    const auto among = [&](const Names& fields) {
      return name.field.empty() || std::ranges::count(fields, name.field) > 0;
    };
    switch (name.kind) {
      case Kind::item: {
        const Names fields = item_fields(is_each);
        return (is_each || !step_.map.empty()) && (fields.empty() || among(fields));
      }
      case Kind::number:
        return is_each || !step_.map.empty();
      case Kind::items:
        return !is_each && !step_.reduce.empty();
      case Kind::step:
        return among(fields_of(steps_[name.step]));
      case Kind::input:
        return has_input(name.name);
    }
    return false;
  }

  const ChainDescription& description_;
  const std::vector<PlannedStep>& steps_;
  const ChainStep& step_;
};

std::string step_where(const ChainDescription& description, const ChainStep& step) {
  return description.where + ", step " + quote(step.name);
}

}  // namespace

ChainPlan::ChainPlan(ChainDescription description) : description_(std::move(description)) {
  if (description_.steps.empty())
    bad_chain(description_.where, "there are no steps; expected at least one in \"steps\"");
  complete_steps();
  check_references();
  sort_steps();
  find_origins();
  choose_models();
}

// Steps by themselves, and their templates.
void ChainPlan::complete_steps() {
  std::set<std::string, std::less<>> names;
  for (const ChainStep& step : description_.steps) {
    const std::string where = step_where(description_, step);
    if (!names.insert(step.name).second)
      bad_chain(description_.where, "there are two steps " + quote(step.name) +
                                        "; steps are used by their names, so each needs its own");
    if (description_.inputs &&
        std::ranges::count(*description_.inputs, step.name, &ChainInput::name))
      bad_chain(where, "an input has this name, too; choose another");
    PlannedStep& planned = steps_.emplace_back(PlannedStep{.step = step});
    const ChainTask& task = StepChecker(planned.step, where).check();
    for (const ChainSetting& text : planned.step.texts)
      planned.texts.emplace(text.name, TextTemplate(text.value, where + ", " + quote(text.name)));
    planned.each = TextTemplate(planned.step.each.value_or("{{item}}"), where + ", \"each\"");
    const bool several = detail::has_several_answers(planned.step);
    planned.has_text = planned.step.map.empty() && task.has_text && !several;
    planned.has_items = !planned.step.map.empty() || task.has_items || several;
  }
}

// What steps use, by name.
void ChainPlan::check_references() {
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    PlannedStep& planned = steps_[i];
    const NameChecker checker(description_, steps_, i);
    std::vector<ChainName> used;
    const auto check = [&](const TextTemplate& text, bool is_each) {
      if (!checker.check(text, is_each, used))
        (void)text.fill(checker.known(is_each), "the inputs and steps of the chain");
    };
    for (const auto& [name, text] : planned.texts) check(text, false);
    if (planned.step.each || !planned.step.reduce.empty()) check(planned.each, true);
    const bool maps = planned.maps();
    if (const std::string& list = maps ? planned.step.map : planned.step.reduce; !list.empty()) {
      if (!find_planned(steps_, list) && !checker.has_input(list)) {
        const Fields known = checker.known(false);
        Names names;
        for (const auto& [name, text] : known) names.push_back(name);
        bad_chain(step_where(description_, planned.step),
                  std::string(maps ? "\"map\"" : "\"reduce\"") + ": there is no step or input " +
                      quote(list) + nearest_or_list(list, names));
      }
      used.push_back(read_chain_name(steps_, list));
      used.back().field.clear();
    }
    for (const ChainName& name : used) {
      if (name.kind == ChainName::Kind::step && std::ranges::count(planned.needs, name.step) == 0)
        planned.needs.push_back(name.step);
      if (name.kind == ChainName::Kind::input && std::ranges::count(planned.inputs, name.name) == 0)
        planned.inputs.push_back(name.name);
    }
    std::ranges::sort(planned.needs);
  }
}

// The order of the file, but for steps that need later ones.
void ChainPlan::sort_steps() {
  if (const std::string cycle = CycleSearch(steps_).find(); !cycle.empty())
    bad_chain(description_.where, "the steps go round in a circle: " + cycle +
                                      ", where each uses the next; one of them must do without");
  std::vector<std::size_t> missing(steps_.size());
  std::vector<std::vector<std::size_t>> users(steps_.size());
  std::set<std::size_t> ready;
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    missing[i] = steps_[i].needs.size();
    for (const std::size_t needed : steps_[i].needs) users[needed].push_back(i);
    if (missing[i] == 0) ready.insert(i);
  }
  while (!ready.empty()) {
    const std::size_t step = *ready.begin();
    ready.erase(ready.begin());
    order_.push_back(step);
    for (const std::size_t user : users[step])
      if (--missing[user] == 0) ready.insert(user);
  }
}

// Which lists go along with each other, and that no list stands where a text should.
void ChainPlan::find_origins() {
  for (const std::size_t number : order_) {
    PlannedStep& planned = steps_[number];
    const std::string where = step_where(description_, planned.step);
    const std::string& list = planned.maps() ? planned.step.map : planned.step.reduce;
    const auto source = list.empty() ? std::nullopt : find_planned(steps_, list);
    if (source && !steps_[*source].has_items)
      bad_chain(where, quote(list) +
                           " is no list: it is a step with one text; only inputs and steps "
                           "that map, split, retrieve, find names or give several answers are");
    planned.origin = source && steps_[*source].maps() ? steps_[*source].origin : list;
    const auto check = [&](const TextTemplate& text) {
      for (const std::string& name : text.field_names()) {
        const ChainName read = read_chain_name(steps_, name);
        if (read.kind != ChainName::Kind::step) continue;
        const PlannedStep& used = steps_[read.step];
        const std::string& origin = used.maps() ? used.origin : used.step.name;
        if (used.has_text || (!planned.origin.empty() && planned.origin == origin)) continue;
        bad_chain(where, "{{" + name + "}} is a list, because " + quote(used.step.name) +
                             (used.maps() ? " maps over " + quote(used.step.map)
                              : detail::has_several_answers(used.step) ? " gives several answers"
                                                                       : " is a split step") +
                             "; \"reduce\" joins it, \"map\" goes over it, one by one");
      }
    };
    for (const auto& [name, text] : planned.texts)
      if (planned.maps()) {
        check(text);
      } else {
        const std::string own = std::exchange(planned.origin, "");
        check(text);
        planned.origin = own;
      }
    check(planned.each);
  }
}

void ChainPlan::choose_models() {
  const auto source_of =
      [this](const PlannedStep& planned) -> std::pair<std::string, ChainModelSource> {
    const std::string where = step_where(description_, planned.step);
    std::string name = planned.step.model.empty() ? description_.default_model : planned.step.model;
    if (name.empty() && description_.models.size() == 1) name = description_.models.begin()->first;
    if (name.empty())
      bad_chain(where, "there is no model for the task " + quote(planned.step.task) +
                           "; name one by \"model\"");
    const auto found = description_.models.find(name);
    if (found != description_.models.end()) return *found;
    Names names;
    for (const auto& [known, source] : description_.models) names.push_back(known);
    const std::string_view nearest = nearest_name(name, names.data(), names.size());
    if (!nearest.empty() && !detail::is_there(name))
      bad_chain(where,
                "there is no model " + quote(name) + "; did you mean " + quote(nearest) + "?");
    return {name, ChainModelSource{.path = name}};
  };
  // Embedding needs no head and takes a model that another step loads with one.
  for (const bool embeds : {false, true}) {
    for (const std::size_t number : order_) {
      PlannedStep& planned = steps_[number];
      const ChainTask& task = *find_chain_task(planned.step.task);
      if (!task.has_model || (task.head == HeadKind::none) != embeds) continue;
      auto [name, source] = source_of(planned);
      const auto fits = [&, &wanted = source](const PlannedModel& model) {
        return same_source(model.source, wanted) && (embeds || model.head == task.head);
      };
      auto model = std::ranges::find_if(models_, fits);
      if (model == models_.end()) {
        models_.push_back({std::move(name), std::move(source), task.head, embeds});
        model = models_.end() - 1;
      }
      model->steps.push_back(number);
      planned.model = static_cast<std::size_t>(model - models_.begin());
    }
  }
}

std::vector<std::string> ChainPlan::inputs() const {
  std::vector<std::string> names;
  for (const PlannedStep& planned : steps_)
    for (const std::string& name : planned.inputs)
      if (std::ranges::count(names, name) == 0) names.push_back(name);
  return names;
}

std::size_t ChainPlan::step(std::string_view name) const {
  if (const auto found = find_planned(steps_, name)) return *found;
  Names names;
  for (const PlannedStep& planned : steps_) names.push_back(planned.step.name);
  throw Error(
      ErrorCode::invalid_option,
      description_.where + ": there is no step " + quote(name) + nearest_or_list(name, names),
      std::string(name));
}

std::vector<std::string> ChainPlan::fields(std::size_t step) const {
  const ChainStep& described = steps_[step].step;
  const Names names = detail::value_fields(*find_chain_task(described.task), described);
  return {names.begin(), names.end()};
}

std::string ChainPlan::explain() const {
  std::string text;
  for (std::size_t place = 0; place < order_.size(); ++place) {
    const PlannedStep& planned = steps_[order_[place]];
    const ChainStep& step = planned.step;
    text += std::to_string(place + 1) + ". " + step.name + ": " + step.task;
    if (planned.model) text += ", model " + models_[*planned.model].name;
    if (!step.map.empty()) text += ", for each of " + step.map;
    if (!step.reduce.empty()) text += ", of all " + step.reduce;
    if (step.repeat) text += ", up to " + std::to_string(step.repeat->times) + " times";
    text += '\n';
    std::vector<std::string> uses;
    for (const std::size_t needed : planned.needs) uses.push_back(steps_[needed].step.name);
    for (const std::string& input : planned.inputs) uses.push_back(input + " (input)");
    if (!uses.empty()) text += "   uses " + joined(uses, ", ") + '\n';
    for (const ChainSetting& part : step.texts)
      text += "   " + part.name + ": " + as_json(part.value) + '\n';
    if (step.each) text += "   each: " + as_json(*step.each) + '\n';
    if (step.separator) text += "   separator: " + as_json(*step.separator) + '\n';
    for (const auto& [name, file] :
         {std::pair("file", &step.file), std::pair("examples", &step.examples),
          std::pair("template", &step.few_shot_template)})
      if (!file->empty()) text += std::string("   ") + name + ": " + *file + '\n';
    for (const ChainSetting& option : step.options)
      text += "   " + option.name + " = " + option.value + '\n';
  }
  for (const PlannedModel& model : models_) {
    std::vector<std::string> users;
    for (const std::size_t number : order_)
      if (std::ranges::count(model.steps, number) > 0) users.push_back(steps_[number].step.name);
    text += "model " + model.name;
    if (model.source.path != model.name) text += " = " + model.source.path;
    text += ": for " + joined(users, ", ") + '\n';
  }
  if (const auto names = inputs(); !names.empty()) text += "inputs: " + joined(names, ", ") + '\n';
  return text;
}

}  // namespace llm
