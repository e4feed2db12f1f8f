// Makes a syntax tree of a template's tokens. Grammar: jinja.palletsprojects.com, "Template
// Designer Documentation", as far as chat templates use it.
#pragma once

#include "chat/lexer.hpp"
#include "chat/syntax.hpp"

namespace llm::detail::jinja {

// Where the parser stands; shared by the parsers of statements and of expressions.
class TokenStream {
 public:
  explicit TokenStream(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

  const Token& peek(std::size_t ahead = 0) const {
    return tokens_[std::min(at_ + ahead, tokens_.size() - 1)];
  }
  Token next() {
    Token token = peek();
    if (at_ + 1 < tokens_.size()) ++at_;
    return token;
  }
  bool is_symbol(std::string_view text, std::size_t ahead = 0) const {
    return peek(ahead).kind == TokenKind::symbol && peek(ahead).text == text;
  }
  bool is_name(std::string_view text, std::size_t ahead = 0) const {
    return peek(ahead).kind == TokenKind::name && peek(ahead).text == text;
  }
  bool take_symbol(std::string_view text) { return is_symbol(text) && (next(), true); }
  bool take_name(std::string_view text) { return is_name(text) && (next(), true); }
  void expect_symbol(std::string_view text);
  void expect_name(std::string_view text);
  void expect(TokenKind kind);
  std::string expect_any_name();
  // Throws SyntaxFailure that says what was found at this place.
  [[noreturn]] void refuse(const std::string& expected) const;

  // The place, for mentions().
  std::size_t place() const { return at_; }
  // Whether the name stands somewhere between the place and the next token.
  bool mentions(std::string_view name, std::size_t since) const;

  // Counts levels of syntax; throws SyntaxFailure when there are too many.
  class Level {
   public:
    explicit Level(TokenStream& stream);
    ~Level() { --stream_.depth_; }
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;

   private:
    TokenStream& stream_;
  };

 private:
  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  int depth_ = 0;
};

class ExpressionParser {
 public:
  explicit ExpressionParser(TokenStream& tokens) : tokens_(tokens) {}

  ExpressionPtr expression(bool with_conditional = true);
  // One expression, or several with commas between them, which make a tuple. `end` is the name that
  // may follow the last comma.
  ExpressionPtr expression_list(bool with_conditional, std::string_view end = {});
  // `|a|b(c)` or `a|b(c)` behind the word that `first` stands for.
  ExpressionPtr filters(ExpressionPtr first, bool without_bar);
  // A name, literal or bracketed expression with its calls, as after {% call %}.
  ExpressionPtr postfix_expression();

 private:
  ExpressionPtr any_of();
  ExpressionPtr all_of();
  ExpressionPtr negation();
  ExpressionPtr comparison();
  ExpressionPtr sum();
  ExpressionPtr concatenation();
  ExpressionPtr product();
  ExpressionPtr power();
  ExpressionPtr unary(bool with_filters);
  ExpressionPtr primary();
  ExpressionPtr string_literal();
  ExpressionPtr number();
  ExpressionPtr list();
  ExpressionPtr dict();
  ExpressionPtr bracketed();
  bool is_list_end(std::string_view end) const;

  // Adds links to `first` for as long as there are some.
  ExpressionPtr with_links(ExpressionPtr first, bool with_filters);
  bool take_link(std::vector<Link>& links, bool with_filters);
  Link attribute();
  Link item();
  Link slice(Link link, ExpressionPtr first);
  Link filter();
  Link test();
  CallArguments call_arguments();
  void call_argument(CallArguments& arguments);

  using Next = ExpressionPtr (ExpressionParser::*)();
  // Operands with one of `symbols` between them.
  ExpressionPtr arithmetic(Next operand,
                           const std::vector<std::pair<std::string_view, Operator>>& symbols);
  ExpressionPtr make(ExpressionKind kind) const;

  TokenStream& tokens_;
};

// Throws SyntaxFailure.
Body parse(std::string_view source);

}  // namespace llm::detail::jinja
