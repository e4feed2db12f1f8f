// Statements: the tags between {% and %}.
#include "chat/parser.hpp"

#include <algorithm>
#include <array>
#include <initializer_list>

#include "llm/core/error.hpp"

namespace llm::detail::jinja {

void TokenStream::refuse(const std::string& expected) const {
  static constexpr std::array<const char*, 11> names = {"text",
                                                        "\"{{\"",
                                                        "\"}}\"",
                                                        "\"{%\"",
                                                        "\"%}\"",
                                                        "",
                                                        "",
                                                        "",
                                                        "",
                                                        "",
                                                        "the end of the template"};
  const Token& token = peek();
  const std::string_view name = names[static_cast<std::size_t>(token.kind)];
  throw SyntaxFailure{token.at, "expected " + expected + ", got " +
                                    (name.empty() ? quote(token.text) : std::string(name))};
}

void TokenStream::expect_symbol(std::string_view text) {
  if (!take_symbol(text)) refuse(quote(text));
}

void TokenStream::expect_name(std::string_view text) {
  if (!take_name(text)) refuse(quote(text));
}

void TokenStream::expect(TokenKind kind) {
  if (peek().kind != kind) refuse(kind == TokenKind::output_end ? "\"}}\"" : "\"%}\"");
  next();
}

std::string TokenStream::expect_any_name() {
  if (peek().kind != TokenKind::name) refuse("a name");
  return next().text;
}

bool TokenStream::mentions(std::string_view name, std::size_t since) const {
  return std::any_of(tokens_.begin() + static_cast<std::ptrdiff_t>(since),
                     tokens_.begin() + static_cast<std::ptrdiff_t>(at_), [&](const Token& token) {
                       return token.kind == TokenKind::name && token.text == name;
                     });
}

TokenStream::Level::Level(TokenStream& stream) : stream_(stream) {
  if (++stream_.depth_ > max_syntax_depth)
    throw SyntaxFailure{stream_.peek().at, "the template is nested more than " +
                                               std::to_string(max_syntax_depth) + " levels deep"};
}

namespace {

using Names = std::initializer_list<std::string_view>;

class Parser {
 public:
  explicit Parser(std::vector<Token> tokens) : tokens_(std::move(tokens)), expressions_(tokens_) {}

  Body run() { return body({}, "the end of the template"); }

 private:
  // Statements up to a tag with one of the names, which is left behind its {%.
  Body body(Names ends, const std::string& expected) {
    const TokenStream::Level level(tokens_);
    Body statements;
    while (true) {
      switch (tokens_.peek().kind) {
        case TokenKind::data: {
          statements.push_back(make(StatementKind::text));
          statements.back().name = tokens_.next().text;
          break;
        }
        case TokenKind::output_begin: {
          statements.push_back(make(StatementKind::output));
          tokens_.next();
          statements.back().values.push_back(expressions_.expression_list(true));
          tokens_.expect(TokenKind::output_end);
          break;
        }
        case TokenKind::tag_begin: {
          tokens_.next();
          for (const std::string_view end : ends) {
            if (tokens_.is_name(end)) return statements;
          }
          statements.push_back(statement(expected));
          break;
        }
        default:
          if (ends.size() != 0) tokens_.refuse(expected);
          return statements;
      }
    }
  }

  // {% ... %} body {% end %}: the part from the end of the tag on.
  Body block(std::string_view end) {
    tokens_.expect(TokenKind::tag_end);
    Body statements = body({end}, quote(end));
    tokens_.next();
    tokens_.expect(TokenKind::tag_end);
    return statements;
  }

  Statement make(StatementKind kind) const {
    Statement made{};
    made.kind = kind;
    made.at = tokens_.peek().at;
    return made;
  }

  Statement statement(const std::string& expected) {
    using Parse = Statement (Parser::*)();
    static constexpr std::array<std::pair<std::string_view, Parse>, 12> tags = {{
        {"if", &Parser::if_else},
        {"for", &Parser::for_each},
        {"set", &Parser::set},
        {"macro", &Parser::macro},
        {"call", &Parser::call_block},
        {"filter", &Parser::filter},
        {"with", &Parser::with},
        {"generation", &Parser::generation},
        {"block", &Parser::named_block},
        {"print", &Parser::print},
        {"break", &Parser::leave_loop},
        {"continue", &Parser::leave_loop},
    }};
    if (tokens_.peek().kind != TokenKind::name) tokens_.refuse("the name of a tag");
    for (const auto& [name, parse] : tags) {
      if (tokens_.is_name(name)) return (this->*parse)();
    }
    refuse_tag(tags, expected);
  }

  template <typename Tags>
  [[noreturn]] void refuse_tag(const Tags& tags, const std::string& expected) const {
    const std::string& name = tokens_.peek().text;
    std::vector<std::string_view> names;
    for (const auto& tag : tags) names.push_back(tag.first);
    const std::string_view nearest = nearest_name(name, names.data(), names.size());
    std::string sentence = "the tag " + quote(name) + " is unknown or has no place here";
    if (!nearest.empty()) {
      sentence += "; did you mean " + quote(nearest) + "?";
    } else {
      sentence += "; expected " + expected;
    }
    throw SyntaxFailure{tokens_.peek().at, sentence};
  }

  Statement if_else() {
    Statement made = make(StatementKind::if_else);
    do {
      tokens_.next();
      made.values.push_back(expressions_.expression_list(false));
      tokens_.expect(TokenKind::tag_end);
      made.bodies.push_back(body({"elif", "else", "endif"}, "\"endif\""));
    } while (tokens_.is_name("elif"));
    if (tokens_.take_name("else")) {
      made.bodies.push_back(block("endif"));
      return made;
    }
    tokens_.next();
    tokens_.expect(TokenKind::tag_end);
    return made;
  }

  Statement for_each() {
    Statement made = make(StatementKind::for_each);
    tokens_.next();
    made.targets.push_back(target(false));
    tokens_.expect_name("in");
    made.values.push_back(expressions_.expression_list(false, "recursive"));
    made.values.push_back(tokens_.take_name("if") ? expressions_.expression() : nullptr);
    if (tokens_.is_name("recursive")) tokens_.refuse("a loop that is not recursive");
    tokens_.expect(TokenKind::tag_end);
    ++loops_;
    made.bodies.push_back(body({"endfor", "else"}, "\"endfor\""));
    --loops_;
    if (tokens_.take_name("else")) {
      made.bodies.push_back(block("endfor"));
    } else {
      tokens_.next();
      tokens_.expect(TokenKind::tag_end);
      made.bodies.emplace_back();
    }
    return made;
  }

  Target one_target(bool may_be_attribute) {
    const TokenStream::Level level(tokens_);
    if (tokens_.take_symbol("(")) {
      Target inside = target(may_be_attribute);
      tokens_.expect_symbol(")");
      return inside;
    }
    static constexpr std::array<std::string_view, 6> constants = {"true", "false", "none",
                                                                  "True", "False", "None"};
    if (std::any_of(constants.begin(), constants.end(),
                    [this](std::string_view name) { return tokens_.is_name(name); }))
      tokens_.refuse("a name to assign to");
    Target made;
    made.name = tokens_.expect_any_name();
    if (may_be_attribute && tokens_.take_symbol(".")) made.attribute = tokens_.expect_any_name();
    return made;
  }

  Target target(bool may_be_attribute) {
    Target first = one_target(may_be_attribute);
    if (!tokens_.is_symbol(",")) return first;
    Target all;
    all.items.push_back(std::move(first));
    while (tokens_.take_symbol(",")) {
      if (tokens_.peek().kind != TokenKind::name && !tokens_.is_symbol("(")) break;
      if (tokens_.is_name("in")) break;
      all.items.push_back(one_target(may_be_attribute));
    }
    return all;
  }

  Statement set() {
    Statement made = make(StatementKind::set);
    tokens_.next();
    made.targets.push_back(target(true));
    if (tokens_.take_symbol("=")) {
      made.values.push_back(expressions_.expression_list(true));
      tokens_.expect(TokenKind::tag_end);
      return made;
    }
    made.kind = StatementKind::set_block;
    if (tokens_.is_symbol("|")) made.values.push_back(expressions_.filters(input(), false));
    made.bodies.push_back(block("endset"));
    return made;
  }

  ExpressionPtr input() const {
    auto expression = std::make_unique<Expression>();
    expression->kind = ExpressionKind::name;
    expression->at = tokens_.peek().at;
    expression->name = input_name;
    return expression;
  }

  void parameters(Statement& made) {
    tokens_.expect_symbol("(");
    while (!tokens_.is_symbol(")")) {
      Parameter parameter{tokens_.expect_any_name(), nullptr};
      if (tokens_.take_symbol("=")) {
        parameter.otherwise = expressions_.expression();
      } else if (!made.parameters.empty() && made.parameters.back().otherwise != nullptr) {
        tokens_.refuse("a default, as the parameter before has one");
      }
      made.parameters.push_back(std::move(parameter));
      if (!tokens_.is_symbol(")")) tokens_.expect_symbol(",");
    }
    tokens_.next();
  }

  // The body of a macro: a loop around it is not its own.
  Body closed_block(std::string_view end) {
    const int loops = std::exchange(loops_, 0);
    Body statements = block(end);
    loops_ = loops;
    return statements;
  }

  void macro_block(Statement& made, std::string_view end) {
    const std::size_t begin = tokens_.place();
    made.bodies.push_back(closed_block(end));
    made.takes_more = tokens_.mentions("varargs", begin);
    made.takes_others = tokens_.mentions("kwargs", begin);
    made.takes_caller = tokens_.mentions("caller", begin);
  }

  Statement macro() {
    Statement made = make(StatementKind::macro);
    tokens_.next();
    made.name = tokens_.expect_any_name();
    parameters(made);
    macro_block(made, "endmacro");
    return made;
  }

  Statement call_block() {
    Statement made = make(StatementKind::call_block);
    made.name = "caller";
    tokens_.next();
    if (tokens_.is_symbol("(")) parameters(made);
    ExpressionPtr call = expressions_.postfix_expression();
    if (call->kind != ExpressionKind::chain || call->links.back().kind != LinkKind::call)
      tokens_.refuse("a call, as in {% call name() %}");
    made.values.push_back(std::move(call));
    macro_block(made, "endcall");
    return made;
  }

  Statement filter() {
    Statement made = make(StatementKind::filter);
    tokens_.next();
    made.values.push_back(expressions_.filters(input(), true));
    made.bodies.push_back(block("endfilter"));
    return made;
  }

  Statement with() {
    Statement made = make(StatementKind::with);
    tokens_.next();
    while (tokens_.peek().kind != TokenKind::tag_end) {
      if (!made.targets.empty()) tokens_.expect_symbol(",");
      made.targets.push_back(one_target(false));
      tokens_.expect_symbol("=");
      made.values.push_back(expressions_.expression());
    }
    made.bodies.push_back(block("endwith"));
    return made;
  }

  // Marks what the assistant says, for training.
  Statement generation() {
    Statement made = make(StatementKind::scope);
    tokens_.next();
    made.bodies.push_back(closed_block("endgeneration"));
    return made;
  }

  // Without inheritance a block is its body; its name may follow the endblock.
  Statement named_block() {
    Statement made = make(StatementKind::scope);
    tokens_.next();
    const std::string name = tokens_.expect_any_name();
    tokens_.expect(TokenKind::tag_end);
    const int loops = std::exchange(loops_, 0);
    made.bodies.push_back(body({"endblock"}, "\"endblock\""));
    loops_ = loops;
    tokens_.next();
    tokens_.take_name(name);
    tokens_.expect(TokenKind::tag_end);
    return made;
  }

  Statement print() {
    Statement made = make(StatementKind::output);
    tokens_.next();
    made.values.push_back(expressions_.expression_list(true));
    tokens_.expect(TokenKind::tag_end);
    return made;
  }

  Statement leave_loop() {
    Statement made =
        make(tokens_.is_name("break") ? StatementKind::break_loop : StatementKind::continue_loop);
    if (loops_ == 0) tokens_.refuse("a loop around the tag");
    tokens_.next();
    tokens_.expect(TokenKind::tag_end);
    return made;
  }

  TokenStream tokens_;
  ExpressionParser expressions_;
  int loops_ = 0;  // around the place
};

}  // namespace

Body parse(std::string_view source) { return Parser(tokenize(source)).run(); }

}  // namespace llm::detail::jinja
