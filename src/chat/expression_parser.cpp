// Expressions, from the operators that bind least to literals.
#include <charconv>
#include <deque>

#include "chat/parser.hpp"
#include "chat/text.hpp"
#include "llm/core/error.hpp"

namespace llm::detail::jinja {

ExpressionPtr ExpressionParser::make(ExpressionKind kind) const {
  auto expression = std::make_unique<Expression>();
  expression->kind = kind;
  expression->at = tokens_.peek().at;
  return expression;
}

ExpressionPtr ExpressionParser::expression(bool with_conditional) {
  const TokenStream::Level level(tokens_);
  ExpressionPtr value = any_of();
  std::deque<TokenStream::Level> inner;  // a if b if c: the tree leans to the left
  while (with_conditional && tokens_.is_name("if")) {
    ExpressionPtr whole = make(ExpressionKind::conditional);
    tokens_.next();
    inner.emplace_back(tokens_);
    whole->operands.push_back(std::move(value));
    whole->operands.push_back(any_of());
    whole->operands.push_back(tokens_.take_name("else") ? expression() : nullptr);
    value = std::move(whole);
  }
  return value;
}

bool ExpressionParser::is_list_end(std::string_view end) const {
  const TokenKind kind = tokens_.peek().kind;
  return kind == TokenKind::output_end || kind == TokenKind::tag_end || tokens_.is_symbol(")") ||
         (!end.empty() && tokens_.is_name(end));
}

ExpressionPtr ExpressionParser::expression_list(bool with_conditional, std::string_view end) {
  ExpressionPtr tuple = make(ExpressionKind::tuple);
  if (is_list_end(end)) tokens_.refuse("an expression");
  ExpressionPtr first = expression(with_conditional);
  if (!tokens_.is_symbol(",")) return first;
  tuple->operands.push_back(std::move(first));
  while (tokens_.take_symbol(",")) {
    if (is_list_end(end)) break;
    tuple->operands.push_back(expression(with_conditional));
  }
  return tuple;
}

ExpressionPtr ExpressionParser::any_of() {
  ExpressionPtr first = all_of();
  if (!tokens_.is_name("or")) return first;
  ExpressionPtr whole = make(ExpressionKind::any_of);
  whole->operands.push_back(std::move(first));
  while (tokens_.take_name("or")) whole->operands.push_back(all_of());
  return whole;
}

ExpressionPtr ExpressionParser::all_of() {
  ExpressionPtr first = negation();
  if (!tokens_.is_name("and")) return first;
  ExpressionPtr whole = make(ExpressionKind::all_of);
  whole->operands.push_back(std::move(first));
  while (tokens_.take_name("and")) whole->operands.push_back(negation());
  return whole;
}

ExpressionPtr ExpressionParser::negation() {
  if (!tokens_.is_name("not")) return comparison();
  const TokenStream::Level level(tokens_);
  ExpressionPtr whole = make(ExpressionKind::logical_not);
  tokens_.next();
  whole->operands.push_back(negation());
  return whole;
}

ExpressionPtr ExpressionParser::comparison() {
  static const std::vector<std::pair<std::string_view, Operator>> symbols = {
      {"==", Operator::equal},      {"!=", Operator::not_equal}, {"<", Operator::less},
      {"<=", Operator::less_equal}, {">", Operator::greater},    {">=", Operator::greater_equal}};
  ExpressionPtr whole = make(ExpressionKind::compare);
  ExpressionPtr first = sum();
  while (true) {
    const std::size_t before = whole->operators.size();
    for (const auto& [symbol, op] : symbols) {
      if (before == whole->operators.size() && tokens_.take_symbol(symbol))
        whole->operators.push_back(op);
    }
    if (before == whole->operators.size()) {
      if (tokens_.take_name("in")) {
        whole->operators.push_back(Operator::in);
      } else if (tokens_.is_name("not") && tokens_.is_name("in", 1)) {
        tokens_.next();
        tokens_.next();
        whole->operators.push_back(Operator::not_in);
      } else {
        break;
      }
    }
    if (first != nullptr) whole->operands.push_back(std::move(first));
    whole->operands.push_back(sum());
  }
  return first != nullptr ? std::move(first) : std::move(whole);
}

ExpressionPtr ExpressionParser::arithmetic(
    Next operand, const std::vector<std::pair<std::string_view, Operator>>& symbols) {
  ExpressionPtr whole = make(ExpressionKind::arithmetic);
  ExpressionPtr first = (this->*operand)();
  for (std::size_t i = 0; i < symbols.size(); ++i) {
    whole->at = tokens_.peek().at;
    if (!tokens_.take_symbol(symbols[i].first)) continue;
    whole->operators.push_back(symbols[i].second);
    if (first != nullptr) whole->operands.push_back(std::move(first));
    whole->operands.push_back((this->*operand)());
    i = static_cast<std::size_t>(-1);  // look for all of them again
  }
  return first != nullptr ? std::move(first) : std::move(whole);
}

ExpressionPtr ExpressionParser::sum() {
  return arithmetic(&ExpressionParser::concatenation,
                    {{"+", Operator::add}, {"-", Operator::subtract}});
}

ExpressionPtr ExpressionParser::concatenation() {
  ExpressionPtr first = product();
  if (!tokens_.is_symbol("~")) return first;
  ExpressionPtr whole = make(ExpressionKind::concatenate);
  whole->operands.push_back(std::move(first));
  while (tokens_.take_symbol("~")) whole->operands.push_back(product());
  return whole;
}

ExpressionPtr ExpressionParser::product() {
  return arithmetic(&ExpressionParser::power, {{"*", Operator::multiply},
                                               {"/", Operator::divide},
                                               {"//", Operator::floor_divide},
                                               {"%", Operator::modulo}});
}

ExpressionPtr ExpressionParser::power() {
  ExpressionPtr first = unary(true);
  if (!tokens_.is_symbol("**")) return first;
  ExpressionPtr whole = make(ExpressionKind::arithmetic);
  whole->operands.push_back(std::move(first));
  while (tokens_.take_symbol("**")) {
    whole->operators.push_back(Operator::power);
    whole->operands.push_back(unary(true));
  }
  return whole;
}

ExpressionPtr ExpressionParser::unary(bool with_filters) {
  if (!tokens_.is_symbol("-") && !tokens_.is_symbol("+"))
    return with_links(primary(), with_filters);
  const TokenStream::Level level(tokens_);
  ExpressionPtr whole = make(tokens_.is_symbol("-") ? ExpressionKind::minus : ExpressionKind::plus);
  tokens_.next();
  whole->operands.push_back(unary(false));
  return with_links(std::move(whole), with_filters);
}

ExpressionPtr ExpressionParser::postfix_expression() { return with_links(primary(), false); }

ExpressionPtr ExpressionParser::primary() {
  switch (tokens_.peek().kind) {
    case TokenKind::string:
      return string_literal();
    case TokenKind::integer:
    case TokenKind::real:
      return number();
    case TokenKind::name:
      break;
    default:
      if (tokens_.is_symbol("(")) return bracketed();
      if (tokens_.is_symbol("[")) return list();
      if (tokens_.is_symbol("{")) return dict();
      tokens_.refuse("an expression");
  }
  ExpressionPtr whole = make(ExpressionKind::constant);
  whole->name = tokens_.next().text;
  const std::string& name = whole->name;
  if (name == "true" || name == "True") {
    whole->constant = Value(true);
  } else if (name == "false" || name == "False") {
    whole->constant = Value(false);
  } else if (name == "none" || name == "None") {
    whole->constant = Value(nullptr);
  } else {
    whole->kind = ExpressionKind::name;
  }
  return whole;
}

ExpressionPtr ExpressionParser::string_literal() {
  ExpressionPtr whole = make(ExpressionKind::constant);
  std::string text;
  while (tokens_.peek().kind == TokenKind::string) text += tokens_.next().text;
  whole->constant = Value::given(std::move(text));
  return whole;
}

ExpressionPtr ExpressionParser::number() {
  ExpressionPtr whole = make(ExpressionKind::constant);
  const Token token = tokens_.peek();
  if (token.kind == TokenKind::real) {
    whole->constant = Value(parse_float(token.text).value_or(0));
  } else {
    std::int64_t value = 0;
    const char* const end = token.text.data() + token.text.size();
    if (std::from_chars(token.text.data(), end, value).ec != std::errc())
      tokens_.refuse("a number below 2^63");
    whole->constant = Value(value);
  }
  tokens_.next();
  return whole;
}

ExpressionPtr ExpressionParser::bracketed() {
  ExpressionPtr tuple = make(ExpressionKind::tuple);
  tokens_.expect_symbol("(");
  if (tokens_.take_symbol(")")) return tuple;
  ExpressionPtr inside = expression_list(true);
  tokens_.expect_symbol(")");
  return inside;
}

ExpressionPtr ExpressionParser::list() {
  ExpressionPtr whole = make(ExpressionKind::list);
  tokens_.expect_symbol("[");
  while (!tokens_.is_symbol("]")) {
    whole->operands.push_back(expression());
    if (!tokens_.is_symbol("]")) tokens_.expect_symbol(",");
  }
  tokens_.next();
  return whole;
}

ExpressionPtr ExpressionParser::dict() {
  ExpressionPtr whole = make(ExpressionKind::dict);
  tokens_.expect_symbol("{");
  while (!tokens_.is_symbol("}")) {
    whole->operands.push_back(expression());
    tokens_.expect_symbol(":");
    whole->operands.push_back(expression());
    if (!tokens_.is_symbol("}")) tokens_.expect_symbol(",");
  }
  tokens_.next();
  return whole;
}

ExpressionPtr ExpressionParser::with_links(ExpressionPtr first, bool with_filters) {
  ExpressionPtr whole = make(ExpressionKind::chain);
  // Once a filter has come, only calls, filters and tests may follow.
  while (take_link(whole->links, false)) {
  }
  while (with_filters && take_link(whole->links, true)) {
  }
  if (whole->links.empty()) return first;
  whole->operands.push_back(std::move(first));
  return whole;
}

bool ExpressionParser::take_link(std::vector<Link>& links, bool with_filters) {
  if (tokens_.is_symbol("(")) {
    Link link{LinkKind::call, tokens_.peek().at, {}, false, {}};
    link.arguments = call_arguments();
    links.push_back(std::move(link));
  } else if (!with_filters && tokens_.is_symbol(".")) {
    links.push_back(attribute());
  } else if (!with_filters && tokens_.is_symbol("[")) {
    links.push_back(item());
  } else if (with_filters && tokens_.take_symbol("|")) {
    links.push_back(filter());
  } else if (with_filters && tokens_.take_name("is")) {
    links.push_back(test());
  } else {
    return false;
  }
  return true;
}

Link ExpressionParser::attribute() {
  tokens_.expect_symbol(".");
  Link link{LinkKind::attribute, tokens_.peek().at, {}, false, {}};
  if (tokens_.peek().kind == TokenKind::integer) {
    link.kind = LinkKind::item;
    link.arguments.positional.push_back(number());
  } else {
    link.name = tokens_.expect_any_name();
  }
  return link;
}

Link ExpressionParser::item() {
  Link link{LinkKind::item, tokens_.peek().at, {}, false, {}};
  tokens_.expect_symbol("[");
  if (tokens_.is_symbol(":")) return slice(std::move(link), nullptr);
  ExpressionPtr tuple = make(ExpressionKind::tuple);
  ExpressionPtr key = expression();
  if (tokens_.is_symbol(":")) return slice(std::move(link), std::move(key));
  if (tokens_.is_symbol(",")) {
    tuple->operands.push_back(std::move(key));
    while (tokens_.take_symbol(",")) tuple->operands.push_back(expression());
    key = std::move(tuple);
  }
  tokens_.expect_symbol("]");
  link.arguments.positional.push_back(std::move(key));
  return link;
}

Link ExpressionParser::slice(Link link, ExpressionPtr first) {
  link.kind = LinkKind::slice;
  auto& parts = link.arguments.positional;
  parts.push_back(std::move(first));
  while (parts.size() < 3 && tokens_.take_symbol(":")) {
    const bool is_empty = tokens_.is_symbol(":") || tokens_.is_symbol("]");
    parts.push_back(is_empty ? nullptr : expression());
  }
  parts.resize(3);
  tokens_.expect_symbol("]");
  return link;
}

Link ExpressionParser::filter() {
  Link link{LinkKind::filter, tokens_.peek().at, tokens_.expect_any_name(), false, {}};
  while (tokens_.take_symbol(".")) link.name += "." + tokens_.expect_any_name();
  if (tokens_.is_symbol("(")) link.arguments = call_arguments();
  return link;
}

Link ExpressionParser::test() {
  const bool is_negated = tokens_.take_name("not");
  Link link{LinkKind::test, tokens_.peek().at, tokens_.expect_any_name(), is_negated, {}};
  while (tokens_.take_symbol(".")) link.name += "." + tokens_.expect_any_name();
  if (tokens_.is_symbol("(")) {
    link.arguments = call_arguments();
    return link;
  }
  if (tokens_.is_name("is")) tokens_.refuse("no second test (tests cannot be chained)");
  const TokenKind kind = tokens_.peek().kind;
  const bool is_value = kind == TokenKind::string || kind == TokenKind::integer ||
                        kind == TokenKind::real || tokens_.is_symbol("[") || tokens_.is_symbol("{");
  const bool is_name = kind == TokenKind::name && !tokens_.is_name("else") &&
                       !tokens_.is_name("or") && !tokens_.is_name("and");
  if (is_value || is_name) link.arguments.positional.push_back(postfix_expression());
  return link;
}

ExpressionPtr ExpressionParser::filters(ExpressionPtr first, bool without_bar) {
  ExpressionPtr whole = make(ExpressionKind::chain);
  whole->operands.push_back(std::move(first));
  if (without_bar) whole->links.push_back(filter());
  while (tokens_.take_symbol("|")) whole->links.push_back(filter());
  return whole;
}

CallArguments ExpressionParser::call_arguments() {
  const TokenStream::Level level(tokens_);
  CallArguments arguments;
  tokens_.expect_symbol("(");
  while (!tokens_.is_symbol(")")) {
    call_argument(arguments);
    if (!tokens_.is_symbol(")")) tokens_.expect_symbol(",");
  }
  tokens_.next();
  return arguments;
}

void ExpressionParser::call_argument(CallArguments& arguments) {
  const bool ended = arguments.all_named != nullptr;
  if (tokens_.is_symbol("*") && !ended && arguments.all_positional == nullptr) {
    tokens_.next();
    arguments.all_positional = expression();
  } else if (tokens_.is_symbol("**") && !ended) {
    tokens_.next();
    arguments.all_named = expression();
  } else if (tokens_.peek().kind == TokenKind::name && tokens_.is_symbol("=", 1) && !ended) {
    std::string name = tokens_.next().text;
    tokens_.next();
    arguments.named.emplace_back(std::move(name), expression());
  } else if (arguments.named.empty() && arguments.all_positional == nullptr && !ended) {
    arguments.positional.push_back(expression());
  } else {
    tokens_.refuse("arguments in the order f(a, b=c, *d, **e)");
  }
}

}  // namespace llm::detail::jinja
