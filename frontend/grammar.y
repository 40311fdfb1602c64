/* frontend/grammar.y: the grammar of .net files. Reentrant; builds the tree of ast.h. Productions with `error` name likely
 * slips and go on behind them. */
%define api.pure full
%define api.location.type {struct place}
%define parse.error custom
%define parse.lac full
%locations
%param { void *scanner }
%parse-param { struct parse *p }
%expect 0

%code requires {
#include "frontend/ast.h"
}

%union {
    const char *text;
    struct ast *ast, *number;
}

%code {
#include "frontend/meant.h"
#include "lexer.h"

#define YYLLOC_DEFAULT(current, rhs, n) \
    ((current) = (n) ? YYRHSLOC(rhs, 1) : (struct place){ p->file, p->line, p->column, 0 })

static void yyerror(struct place *at, void *scanner, struct parse *p, const char *message);
static void open_brace(struct parse *p, struct place at);
static void close_brace(struct parse *p);
static struct ast *binary(struct parse *p, struct place at, const char *op, struct ast *a, struct ast *b);
static struct ast *copy_names(struct parse *p, struct ast *expression);
static void slip(struct parse *p, struct place at, const char *text);
static void slip_hint(struct parse *p, struct place at, const char *hint, const char *text);

#define KEYWORD_AS_NAME "'%s' is a keyword of the language: what is named needs another word"
}

%token IMPORT "'import'" CONST "'const'" BLOCK "'block'" BACKWARD "'backward'" NET "'net'" BATCH "'batch'" INPUT "'input'"
%token TARGET "'target'" PARAM "'param'" STATE "'state'" UPDATE "'update'" OUTPUT "'output'" LOSS "'loss'" METRIC "'metric'"
%token OPTIMIZER "'optimizer'" FREEZE "'freeze'" FOR "'for'" IF "'if'" ELSE "'else'" IN "'in'" RETURN "'return'" SCAN "'scan'"
%token YIELD "'yield'" FROZEN "'frozen'" TRUE "'true'" FALSE "'false'" NONE "'none'" TRAINING "'training'"
%token <text> NAME "a name" STRING "a string"
%token <number> NUMBER "a number"
%token CHAIN "'|>'" RANGE "'..'" EQ "'=='" NE "'!='" LE "'<='" GE "'>='" AND "'&&'" OR "'||'" FLOOR "'//'" POWER "'**'" TILDE "'~'"
%token END 0 "the end of the file"

%type <ast> file top imports formals with_constants formal_list constants formal constant kind body statements statement binding targets target
%type <ast> type dims expression chain choice or and comparison range sum product unary postfix primary arguments argument
%type <ast> items scan scan_heads scan_head scan_options option_list option saved_as initial globs glob dotted else_part statement_body names items_or_none
%type <text> any_name

%%

start: file                             { p->result = $1; }

file: %empty                            { $$ = ast_new(p, A_FILE, @$); }
    | file top                          { $$ = $2 ? ast_add(p, $1, $2) : $1; }

top: imports                            { p->lost = false; $$ = $1; }
    | CONST constants ';'               { p->lost = false; $$ = $2; }
    | CONST error ';'                   { $$ = NULL; yyerrok; }
    | BLOCK NAME '(' formals ')' body   { p->lost = false; $$ = ast_text(p, A_BLOCK, @2, $2); $$->item = $4->item; $$->items = $4->items; $$->b = $6; }
    | BLOCK NAME '(' formals ')' body BACKWARD '(' names ')' body
                                        { p->lost = false;
                                          $$ = ast_text(p, A_BLOCK, @2, $2); $$->item = $4->item; $$->items = $4->items; $$->b = $6;
                                          $$->c = $11; $$->backward = $9->item; $$->backwards = $9->items; }
    | NET NAME body                     { p->lost = false; $$ = ast_text(p, A_NET, @2, $2); $$->b = $3; }
    | error ';'                         { $$ = NULL; p->lost = true; yyerrok; }
    | error '}'                         { $$ = NULL; p->lost = true; yyerrok; }
    | error body                        { $$ = NULL; p->lost = true; yyerrok; (void)$2; }

imports: IMPORT STRING ';'              { $$ = ast_text(p, A_IMPORT, @2, $2); }

constants: any_name '=' expression      { $$ = ast_text(p, A_CONST, @1, $1); $$->a = $3; $$ = ast_add(p, ast_new(p, A_CONST, @1), $$); }
    | constants ',' any_name '=' expression
                                        { struct ast *c = ast_text(p, A_CONST, @3, $3); c->a = $5; $$ = ast_add(p, $1, c); }

formals: %empty                         { $$ = ast_new(p, A_LIST, @$); }
    | formal_list                       { $$ = $1; }
    | formal_list ';'                   { $$ = $1; }
    | with_constants                    { $$ = $1; }

with_constants: formal_list ';' constant { $$ = ast_add(p, $1, $3); }
    | ';' constant                      { $$ = ast_add(p, ast_new(p, A_LIST, @1), $2); }
    | with_constants ',' constant       { $$ = ast_add(p, $1, $3); }

formal_list: formal                     { $$ = ast_add(p, ast_new(p, A_LIST, @1), $1); }
    | formal_list ',' formal            { $$ = ast_add(p, $1, $3); }

formal: NAME                            { $$ = ast_text(p, A_FORMAL, @1, $1); }
    | NAME '=' NONE                     { $$ = ast_text(p, A_FORMAL, @1, $1); $$->a = ast_new(p, A_NONE, @3); }

constant: NAME kind                     { $$ = ast_text(p, A_FORMAL, @1, $1); $$->flag = true; $$->b = $2; }
    | NAME kind '=' expression          { $$ = ast_text(p, A_FORMAL, @1, $1); $$->flag = true; $$->b = $2; $$->a = $4; }

kind: %empty                            { $$ = NULL; }
    | ':' any_name                      { $$ = ast_text(p, A_NAME, @2, $2); }

names: any_name                         { $$ = ast_add(p, ast_new(p, A_LIST, @1), ast_text(p, A_NAME, @1, $1)); }
    | names ',' any_name                { $$ = ast_add(p, $1, ast_text(p, A_NAME, @3, $3)); }

body: open statements close             { $$ = $2; }
    | open statements error close       { $$ = $2; yyerrok; }
open: '{'                               { open_brace(p, @1); }
close: '}'                              { close_brace(p); }

statements: %empty                      { $$ = ast_new(p, A_BLOCK_OF, @$); }
    | statements statement              { $$ = $2 ? ast_add(p, $1, $2) : $1; }

statement: binding ';'                  { $$ = $1; }
    | PARAM any_name saved_as ':' type initial ';'
                                        { $$ = ast_text(p, A_PARAM, @2, $2); $$->c = $3; $$->b = $5; $$->a = $6; }
    | FROZEN PARAM any_name saved_as ':' type initial ';'
                                        { $$ = ast_text(p, A_FROZEN, @3, $3); $$->c = $4; $$->b = $6; $$->a = $7; }
    | STATE any_name ':' type initial ';'       { $$ = ast_text(p, A_STATE, @2, $2); $$->b = $4; $$->a = $5; }
    | UPDATE any_name '=' expression ';'        { $$ = ast_text(p, A_UPDATE, @2, $2); $$->a = $4; }
    | IF '(' expression ')' statement_body else_part
                                        { $$ = ast_two(p, A_IF, @1, $3, $5); $$->c = $6; }
    | IF '(' NAME '=' expression ')' statement_body else_part
                                        { slip(p, @4, "a condition compares with '==', not with '='"); $$ = NULL; (void)$3; (void)$5; (void)$7; (void)$8; }
    | FOR any_name IN expression statement_body { $$ = ast_text(p, A_FOR, @2, $2); $$->a = $4; $$->b = $5; }
    | RETURN items_or_none ';'          { $$ = $2; $$->kind = A_RETURN; $$->at = @1; }
    | YIELD items_or_none ';'           { $$ = $2; $$->kind = A_YIELD; $$->at = @1; }
    | BATCH NAME '=' expression ';'     { $$ = ast_text(p, A_BATCH, @2, $2); $$->a = $4; }
    | INPUT any_name ':' type ';'       { $$ = ast_text(p, A_INPUT, @2, $2); $$->b = $4; }
    | TARGET any_name ':' type ';'      { $$ = ast_text(p, A_TARGET, @2, $2); $$->b = $4; }
    | OUTPUT any_name ';'               { $$ = ast_text(p, A_OUTPUT, @2, $2); }
    | OUTPUT any_name '=' expression ';' { $$ = ast_text(p, A_OUTPUT, @2, $2); $$->a = $4; }
    | LOSS expression ';'               { $$ = ast_new(p, A_LOSS, @1); $$->a = $2; }
    | METRIC any_name '=' expression ';' { $$ = ast_text(p, A_METRIC, @2, $2); $$->a = $4; }
    | FREEZE globs ';'                  { $$ = $2; $$->kind = A_FREEZE; $$->at = @1; }
    | OPTIMIZER postfix ';'             { $$ = ast_new(p, A_OPTIMIZER, @2); $$->a = $2; }
    | OPTIMIZER postfix FOR globs ';'   { $$ = $4; $$->kind = A_OPTIMIZER; $$->at = @2; $$->a = $2; }
    | ';'                               { $$ = NULL; }
    | error ';'                         { $$ = NULL; yyerrok; }
    | error body                        { $$ = NULL; yyerrok; (void)$2; }

statement_body: body                    { $$ = $1; }

else_part: %empty                       { $$ = NULL; }
    | ELSE body                         { $$ = $2; }
    | ELSE IF '(' expression ')' statement_body else_part
                                        { struct ast *i = ast_two(p, A_IF, @2, $4, $6); i->c = $7;
                                          $$ = ast_add(p, ast_new(p, A_BLOCK_OF, @1), i); }

saved_as: %empty                        { $$ = NULL; }
    | STRING                            { $$ = ast_text(p, A_STRING, @1, $1); }

initial: %empty                         { $$ = NULL; }
    | '=' expression                    { $$ = $2; }

binding: targets '=' expression         { $$ = copy_names(p, $1); $$->a = $3; }
    | expression                        { $$ = ast_new(p, A_BIND, @1); $$->a = $1; }

targets: target                         { $$ = ast_add(p, ast_new(p, A_BIND, @1), $1); }
    | targets ',' target                { $$ = ast_add(p, $1, $3); }

target: postfix                         { $$ = $1; }

globs: glob                             { $$ = ast_add(p, ast_new(p, A_LIST, @1), $1); }
    | globs ',' glob                    { $$ = ast_add(p, $1, $3); }

glob: STRING                            { $$ = ast_text(p, A_STRING, @1, $1); }
    | dotted                            { $$ = $1; }

dotted: any_name                        { $$ = ast_text(p, A_STRING, @1, $1); }
    | dotted '.' any_name               { $$ = ast_text(p, A_STRING, @1, name_printf(p->names, "%s.%s", $1->text, $3)); }
    | dotted '.' NUMBER                 { $$ = ast_text(p, A_STRING, @1, name_printf(p->names, "%s.%lld", $1->text, (long long)$3->i)); }
    | dotted NUMBER                     { $$ = ast_text(p, A_STRING, @1, name_printf(p->names, "%s.%lld", $1->text, (long long)($2->kind == A_INT ? $2->i : (int64_t)($2->real * 10 + 0.5)))); }

type: NAME '[' dims ']'                 { $$ = $3; $$->kind = A_TYPE; $$->text = $1; $$->at = @1; }
    | NAME '[' ']'                      { $$ = ast_text(p, A_TYPE, @1, $1); }

dims: expression                        { $$ = ast_add(p, ast_new(p, A_TYPE, @1), $1); }
    | dims ',' expression               { $$ = ast_add(p, $1, $3); }

items: expression                       { $$ = ast_add(p, ast_new(p, A_LIST, @1), $1); }
    | items ',' expression              { $$ = ast_add(p, $1, $3); }

items_or_none: %empty                   { $$ = ast_new(p, A_LIST, @$); }
    | items                             { $$ = $1; }

expression: chain                       { $$ = $1; }
chain: choice                           { $$ = $1; }
    | chain CHAIN choice                { $$ = ast_two(p, A_CHAIN, $3->at, $1, $3); }

choice: or                              { $$ = $1; }
    | or '?' choice ':' choice          { $$ = ast_two(p, A_CHOICE, @2, $1, $3); $$->c = $5; }

or: and                                 { $$ = $1; }
    | or OR and                         { $$ = binary(p, @2, "||", $1, $3); }
and: comparison                         { $$ = $1; }
    | and AND comparison                { $$ = binary(p, @2, "&&", $1, $3); }

comparison: range                       { $$ = $1; }
    | comparison EQ range               { $$ = binary(p, @2, "==", $1, $3); }
    | comparison NE range               { $$ = binary(p, @2, "!=", $1, $3); }
    | comparison '<' range              { $$ = binary(p, @2, "<", $1, $3); }
    | comparison LE range               { $$ = binary(p, @2, "<=", $1, $3); }
    | comparison '>' range              { $$ = binary(p, @2, ">", $1, $3); }
    | comparison GE range               { $$ = binary(p, @2, ">=", $1, $3); }

range: sum                              { $$ = $1; }
    | sum RANGE sum                     { $$ = ast_two(p, A_RANGE, @2, $1, $3); }

sum: product                            { $$ = $1; }
    | sum '+' product                   { $$ = binary(p, @2, "+", $1, $3); }
    | sum '-' product                   { $$ = binary(p, @2, "-", $1, $3); }

product: unary                          { $$ = $1; }
    | product '*' unary                 { $$ = binary(p, @2, "*", $1, $3); }
    | product '/' unary                 { $$ = binary(p, @2, "/", $1, $3); }
    | product FLOOR unary               { $$ = binary(p, @2, "//", $1, $3); }
    | product '%' unary                 { $$ = binary(p, @2, "%", $1, $3); }
    | product '@' unary                 { $$ = binary(p, @2, "@", $1, $3); }

unary: postfix                          { $$ = $1; }
    | postfix POWER unary               { $$ = binary(p, @2, "**", $1, $3); }
    | '-' unary                         { $$ = ast_two(p, A_UNARY, @1, $2, NULL); $$->text = name(p->names, "-"); }
    | '!' unary                         { $$ = ast_two(p, A_UNARY, @1, $2, NULL); $$->text = name(p->names, "!"); }
    | TILDE unary                       { $$ = ast_two(p, A_UNARY, @1, $2, NULL); $$->text = name(p->names, "~"); }

postfix: primary                        { $$ = $1; }
    | postfix '\''                      { $$ = ast_two(p, A_SWAP, @2, $1, NULL); }
    | postfix '[' expression ']'        { $$ = ast_two(p, A_INDEX, $1->at, $1, $3); }
    | postfix '.' any_name              { $$ = ast_two(p, A_MEMBER, @3, $1, NULL); $$->text = $3; }
    | postfix '(' arguments ')'         { $$ = $3; $$->kind = A_CALL; $$->a = $1; $$->at = $1->at; $$->depth = $$->depth > $1->depth ? $$->depth : $1->depth + 1; }
    | postfix '(' ')'                   { $$ = ast_two(p, A_CALL, $1->at, $1, NULL); }
    | postfix '(' arguments ',' ')'     { $$ = $3; $$->kind = A_CALL; $$->a = $1; $$->at = $1->at; $$->depth = $$->depth > $1->depth ? $$->depth : $1->depth + 1; }

primary: NUMBER                         { $$ = $1; }
    | STRING                            { $$ = ast_text(p, A_STRING, @1, $1); }
    | TRUE                              { $$ = ast_new(p, A_TRUE, @1); }
    | FALSE                             { $$ = ast_new(p, A_FALSE, @1); }
    | NONE                              { $$ = ast_new(p, A_NONE, @1); }
    | TRAINING                          { $$ = ast_new(p, A_TRAINING, @1); }
    | NAME                              { $$ = ast_text(p, A_NAME, @1, $1); }
    | '(' expression ')'                { $$ = $2; $$->held = true; }
    | '(' expression ',' items ')'      { $$ = ast_new(p, A_TUPLE, @1); ast_add(p, $$, $2);
                                          for (int i = 0; i < $4->items; i++) ast_add(p, $$, $4->item[i]); }
    | '[' items ']'                     { $$ = $2; $$->kind = A_LIST; $$->at = @1; }
    | '[' items ',' ']'                 { $$ = $2; $$->kind = A_LIST; $$->at = @1; }
    | '[' ']'                           { $$ = ast_new(p, A_LIST, @1); }
    | scan                              { $$ = $1; }

arguments: argument                     { $$ = ast_add(p, ast_new(p, A_LIST, @1), $1); }
    | arguments ',' argument            { $$ = ast_add(p, $1, $3); }

argument: expression                    { $$ = $1; }
    | any_name '=' expression           { $$ = ast_text(p, A_ARG, @1, $1); $$->a = $3; $$->depth = $3->depth + 1; }

scan: SCAN '(' scan_heads scan_options ')' body
                                        { $$ = $3; $$->kind = A_SCAN; $$->at = @1; $$->b = $6;
                                          for (int i = 0; i < $4->items; i++) ast_add(p, $$, $4->item[i]);
                                          $$->depth = $6->depth + 1; }

scan_heads: scan_head                   { $$ = ast_add(p, ast_new(p, A_SCAN, @1), $1); }
    | scan_heads ',' scan_head          { $$ = ast_add(p, $1, $3); }

scan_head: any_name IN expression       { $$ = ast_text(p, A_SEQUENCE, @1, $1); $$->a = $3; }

scan_options: %empty                    { $$ = ast_new(p, A_LIST, @$); }
    | ';'                               { $$ = ast_new(p, A_LIST, @$); }
    | ';' option_list                   { $$ = $2; }

option_list: option                     { $$ = ast_add(p, ast_new(p, A_LIST, @1), $1); }
    | option_list ',' option            { $$ = ast_add(p, $1, $3); }
    | option_list ';' option            { $$ = ast_add(p, $1, $3); }

option: any_name '=' expression         { $$ = ast_text(p, A_CARRY, @1, $1); $$->a = $3; }

any_name: NAME                          { $$ = $1; }

%%

static struct ast *binary(struct parse *p, struct place at, const char *op, struct ast *a, struct ast *b)
{
    struct ast *x = ast_two(p, A_BINARY, at, a, b);
    x->text = name(p->names, op);
    return x;
}

static bool add_names(struct text *t, const struct ast *x)
{
    bool named = x->kind == A_NAME;
    for (int i = 0; i < x->items && x->kind == A_TUPLE; i++)
        if (!(named = add_names(t, x->item[i])))
            return false;
    if (x->kind == A_NAME)
        text_add(t, "%s%s", t->length ? ", " : "", x->text);
    return named;
}

/* self.fc = ..., and h, (c, d) = ...: what stands there without the object, or without parentheses. */
static const char *target_hint(struct parse *p, const struct ast *bind, const struct ast *target)
{
    struct text t = text_make(p->arena);

    if (target->kind == A_MEMBER)
        return bound_member_hint(p, target->text);
    if (target->kind == A_STRING)
        return numbered_hint(p->arena, target->text);
    for (int i = 0; i < bind->items; i++)
        if (!add_names(&t, bind->item[i]))
            return NULL;
    return arena_printf(p->arena, "names stand without parentheses: %s", text_string(&t));
}

/* What stands before '=' must be names, each perhaps with indices. */
static struct ast *copy_names(struct parse *p, struct ast *bind)
{
    for (int i = 0; i < bind->items; i++) {
        struct ast *t = bind->item[i];
        while (t->kind == A_INDEX)
            t = t->a;
        const char *word = t->kind == A_TRUE       ? "true"
                           : t->kind == A_FALSE    ? "false"
                           : t->kind == A_NONE     ? "none"
                           : t->kind == A_TRAINING ? "training"
                                                   : NULL;
        if (word)
            slip(p, t->at, arena_printf(p->arena, KEYWORD_AS_NAME, word));
        else if (t->kind != A_NAME)
            slip_hint(p, bind->item[i]->at, target_hint(p, bind, t), "only a name, or a name with an index, can be bound with '='");
    }
    return bind;
}

static void slip_hint(struct parse *p, struct place at, const char *hint, const char *text)
{
    diag_error_hint(p->diag, at, NULL, NULL, hint, "%s", text);
    p->failed = true;
}

static void slip(struct parse *p, struct place at, const char *text)
{
    slip_hint(p, at, NULL, text);
}

static void keyword_as_name(struct parse *p, struct place at, const char *word)
{
    const char *member = keyword_member_hint(p, at);

    member = member ? member : bound_keyword_hint(p, at);
    slip_hint(p, at,
              member ? member
              : strcmp(word, "training") ? keyword_form(word, strlen(word)) : "it tells which graph is made, and layers know it: leave it out",
              arena_printf(p->arena, KEYWORD_AS_NAME, word));
}

static void open_brace(struct parse *p, struct place at)
{
    if (p->braces < (int)(sizeof p->brace / sizeof *p->brace))
        p->brace[p->braces] = at;
    p->braces++;
}

static void close_brace(struct parse *p)
{
    if (p->braces)
        p->braces--;
}

static void yyerror(struct place *at, void *scanner, struct parse *p, const char *message)
{
    (void)scanner;
    if (!strcmp(message, "memory exhausted"))
        diag_error(p->diag, *at, "nested too deep: the limit is %d words that are still open", YYMAXDEPTH);
    else
        diag_error(p->diag, *at, "%s", message);
    p->failed = true;
}

/* ---- keywords ---- */

/* Whether a symbol is a word of the language. */
static bool is_keyword(yysymbol_kind_t s)
{
    const char *is = yysymbol_name(s);
    return *is == '\'' && strspn(is + 1, WORD_LETTERS);
}

/* The keyword that a text is, or YYSYMBOL_YYEMPTY. */
static yysymbol_kind_t keyword_of(const char *word, size_t length)
{
    for (int s = YYSYMBOL_IMPORT; s <= YYSYMBOL_TRAINING; s++) {
        const char *is = yysymbol_name((yysymbol_kind_t)s);
        if (length && strlen(is) == length + 2 && !strncmp(is + 1, word, length))
            return (yysymbol_kind_t)s;
    }
    return YYSYMBOL_YYEMPTY;
}

/* A keyword where a name is bound, in `loss = ...` or `input[0] = ...`: what was found goes on behind a name. */
static bool keyword_bound(struct parse *p, struct place at, const char *is)
{
    size_t length;
    const char *end = text_at(p->text, at), *word = word_before(p, end, &length);
    bool equals = !strcmp(is, "'='"), goes_on = !strcmp(is, "','") || !strcmp(is, "'['") || !strcmp(is, "'.'");

    if (equals && end > p->text && !length) { /* behind an index */
        word = statement_start(p->text, end);
        length = strspn(word, WORD_LETTERS);
        length = word[length] == '[' ? length : 0;
    }
    yysymbol_kind_t keyword = keyword_of(word, length);
    bool value = keyword >= YYSYMBOL_TRUE; /* it may stand before ',' */
    if (keyword == YYSYMBOL_YYEMPTY || !(equals || (goes_on && !value)) || memchr(word, '\n', (size_t)(end - word)))
        return false;
    at.column -= (int)(end - word);
    at.length = (int)length;
    keyword_as_name(p, at, arena_stringn(p->arena, word, length));
    return true;
}

/* ---- what is said of a token that does not belong where it stands ---- */

enum { FEW = 5, ALL_SYMBOLS = 96 };

struct misfit {
    struct parse *p;
    struct place at;
    yysymbol_kind_t found, expected[ALL_SYMBOLS];
    int count;      /* of what was expected */
    const char *is; /* what was found, in words */
};

static bool expects(const struct misfit *m, yysymbol_kind_t wanted)
{
    for (int i = 0; i < m->count; i++)
        if (m->expected[i] == wanted)
            return true;
    return false;
}

/* The same of what has no name but its words: "';'". */
static bool expects_word(const struct misfit *m, const char *wanted)
{
    for (int i = 0; i < m->count; i++)
        if (!strcmp(yysymbol_name(m->expected[i]), wanted))
            return true;
    return false;
}

static bool expects_value(const struct misfit *m)
{
    return m->count > FEW && expects(m, YYSYMBOL_NUMBER);
}

/* A file that ends within braces. */
static bool ends_too_early(struct misfit *m)
{
    struct parse *p = m->p;

    if (m->found != YYSYMBOL_YYEOF || !p->braces)
        return false;
    diag_error(p->diag, p->brace[p->braces < 256 ? p->braces - 1 : 255], "this brace is never closed");
    return true;
}

/* What follows an error that was said already. */
static bool is_said(struct misfit *m)
{
    const struct parse *p = m->p;
    return (p->lost && !p->braces) || (p->answered && p->answered == text_at(p->text, m->at));
}

/* The words behind '//', on one line, which divides here and starts a comment elsewhere. */
static bool is_comment(struct misfit *m)
{
    const char *end = text_at(m->p->text, m->at), *from = end;

    while (from > m->p->text && (strchr(WORD_LETTERS "0123456789", from[-1]) || from[-1] == ' ' || from[-1] == '\t'))
        from--;
    if (from == end || from - m->p->text < 2 || from[-1] != '/' || from[-2] != '/')
        return false;
    diag_error_hint(m->p->diag, m->at, NULL, NULL, COMMENT_HINT, "%s does not belong here", m->is);
    return true;
}

static bool is_foreign_word(struct misfit *m)
{
    const char *hint, *word;

    if ((is_keyword(m->found) && expects(m, YYSYMBOL_NAME)) || !(word = foreign_word(m->p, &m->at, &hint)))
        return false;
    diag_error_hint(m->p->diag, m->at, NULL, NULL, hint, "the language has no '%s' here", word);
    return true;
}

/* f"conv_{i}" with its letter before the quote. */
static bool is_marked_string(struct misfit *m)
{
    const char *quote = text_at(m->p->text, m->at), *end;
    size_t length;
    const char *mark = word_before(m->p, quote, &length), *before = mark;

    if (m->found != YYSYMBOL_STRING || !length || length > 2 || mark + length != quote || strspn(mark, "fFrRbBuU") < length)
        return false;
    while (before > m->p->text && strchr(" \t", before[-1]))
        before--;
    bool value = before > m->p->text && strchr("=(,[:", before[-1]); /* and no name is wanted */
    const char *written = value ? NULL : numbered_name(m->p->arena, quote + 1, &end);
    m->at.column -= (int)length;
    m->at.length = (int)length;
    diag_error_hint(m->p->diag, m->at, NULL, NULL,
                    written && *end == '"' ? arena_printf(m->p->arena, NUMBERED_HINT, written)
                                           : "in any string {name} stands for the value of that name",
                    "no letter stands before a string");
    return true;
}

/* conv_{i} for a name. */
static bool is_formed_name(struct misfit *m)
{
    const char *brace = text_at(m->p->text, m->at), *end;
    size_t length;
    const char *word = word_before(m->p, brace, &length);
    const char *written = *brace == '{' && length && word + length == brace ? numbered_name(m->p->arena, word, &end) : NULL;

    if (!written)
        return false;
    m->at.column -= (int)length;
    m->at.length = (int)(end - word);
    m->p->answered = end + strspn(end, " \t");
    diag_error_hint(m->p->diag, m->at, NULL, NULL, arena_printf(m->p->arena, NUMBERED_HINT, written),
                    "a name has letters, digits and '_' alone");
    return true;
}

static bool is_bound_keyword(struct misfit *m)
{
    return keyword_bound(m->p, m->at, m->is);
}

/* Where a statement may start, and this is none. */
static bool starts_no_statement(struct misfit *m)
{
    struct diag *d = m->p->diag;
    yysymbol_kind_t found = m->found;

    if (!expects(m, YYSYMBOL_PARAM))
        return false;
    if (is_keyword(found) && goes_on_as_name(m->p, m->at))
        keyword_as_name(m->p, m->at, arena_stringn(m->p->arena, m->is + 1, strlen(m->is) - 2));
    else if (found == YYSYMBOL_ELSE)
        diag_error(d, m->at, "%s without an 'if' before it", m->is);
    else if (found == YYSYMBOL_CONST)
        diag_error_hint(d, m->at, NULL, NULL, "a constant stands before the nets; within one a name is bound by name = ...",
                        "%s belongs to the file, not into braces", m->is);
    else if (found == YYSYMBOL_IMPORT || found == YYSYMBOL_BLOCK || found == YYSYMBOL_NET)
        diag_error_hint(d, m->at, NULL, NULL,
                        m->at.column > 1 ? arena_printf(m->p->arena, "%s stands before the nets, outside their braces", m->is)
                                         : "is a '}' missing before this?",
                        "%s belongs to the file, not into braces", m->is);
    else
        diag_error_hint(d, m->at, NULL, NULL, *text_at(m->p->text, m->at) == '/' ? COMMENT_HINT : NULL,
                        "no statement starts with %s", m->is);
    return true;
}

static bool starts_no_item(struct misfit *m)
{
    if (!expects(m, YYSYMBOL_IMPORT))
        return false;
    bool backward = expects(m, YYSYMBOL_BACKWARD);
    if (m->found == YYSYMBOL_NAME)
        m->is = arena_printf(m->p->arena, "'%.*s'", m->at.length, text_at(m->p->text, m->at));
    diag_error_hint(m->p->diag, m->at, NULL, m->is, item_hint(m->p, m->at, m->found != YYSYMBOL_NAME, backward),
                    "expected 'import', 'const', 'block'%s or 'net', found %s", backward ? ", 'backward'" : "", m->is);
    return true;
}

/* A word of the language behind the '.' of an object that a model is in other languages: self.training. */
static const char *member_hint(const struct misfit *m)
{
    return m->found == YYSYMBOL_BACKWARD ? "gradients are derived from the net's loss"
           : m->found >= YYSYMBOL_TRUE   ? arena_printf(m->p->arena, "%s stands alone", m->is)
                                         : "what is named needs another word";
}

static bool is_keyword_for_name(struct misfit *m)
{
    bool value = expects_value(m);
    const char *wanted = value ? "a value" : "a name";

    if (!is_keyword(m->found) || !expects(m, YYSYMBOL_NAME) || (value && first_of_line(m->p, m->at)))
        return false;
    const char *here = text_at(m->p->text, m->at);
    const char *hint = here > m->p->text && here[-1] == '.' ? member_hint(m)
                       : m->found == YYSYMBOL_IF             ? "a choice is written condition ? a : b"
                                                             : keyword_hint(m->p, m->at);
    diag_error_hint(m->p->diag, m->at, wanted, m->is, hint, "expected %s, found %s, a keyword of the language", wanted,
                    m->is);
    return true;
}

/* ':' or a default behind one of a block's tensors, which may have `none` alone. */
static bool gives_tensor_a_kind(struct misfit *m)
{
    bool none = m->count == 1 && m->expected[0] == YYSYMBOL_NONE;

    if (!none && !(expects_word(m, "';'") && expects_word(m, "')'") && !strcmp(m->is, "':'")))
        return false;
    const char *written = spelt_formals(m->p, text_at(m->p->text, m->at));
    diag_error_hint(m->p->diag, m->at, NULL, NULL,
                    written ? written : "what has a kind or a default is a constant, and stands behind ';': (x, y; a : int = 2)",
                    "a tensor has neither a kind nor a default");
    return true;
}

static bool misses_semicolon(struct misfit *m)
{
    if (!expects_word(m, "';'"))
        return false;
    const char *hint = semicolon_hint(m->p, &m->at);
    diag_error_hint(m->p->diag, m->at, "';'", m->is, hint, "expected ';' before %s", m->is);
    return true;
}

/* Where a statement ends within brackets, or the next begins: what is open there is told, at its place where no more can
 * follow. */
static bool is_unclosed(struct misfit *m, const char *closer)
{
    static const char *const ends[] = { "';'", "'{'", "'}'", "')'", "']'" };
    const char *open = open_bracket(m->p, text_at(m->p->text, m->at));
    struct place at = m->at;
    bool next = missing_before(m->p, &at), ended = next && is_keyword(m->found);

    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        ended |= !strcmp(m->is, ends[i]);
    bool named = !strcmp(m->is, "'='") && closer[1] == ']';
    if (!open || (*open == '[') != (closer[1] == ']') || !(ended || named || next))
        return false;
    struct place begin = place_in(m->p, open);
    if (named)
        diag_error_hint(m->p->diag, begin, NULL, NULL, "what is given by name stands behind the ']'", "this '[' is never closed");
    else if (ended)
        diag_error_hint(m->p->diag, begin, NULL, NULL,
                        arena_printf(m->p->arena, "is a %s missing at %d:%d, before %s?", closer, at.line, at.column, m->is),
                        "this '%c' is never closed", *open);
    else
        diag_error_hint(m->p->diag, at, NULL, NULL,
                        arena_printf(m->p->arena, "'%c' of %d:%d is still open", *open, begin.line, begin.column),
                        "expected %s%s before %s", expects_word(m, "','") ? "',' or " : "", closer, m->is);
    return true;
}

static bool misses_closer(struct misfit *m)
{
    static const char *const closers[] = { "')'", "']'", "':'" };
    bool comma = expects_word(m, "','");
    size_t k = 0;

    while (k < 3 && !expects_word(m, closers[k]))
        k++;
    if (k == 3 || expects_value(m))
        return false;
    const char *hint = m->count <= 2 ? statement_hint(m->p, m->at)
                       : k           ? slice_hint(m->p, m->at, m->is, k == 1 && !comma)
                                     : argument_hint(m->p, m->at, m->is);
    if (!hint && k < 2 && is_unclosed(m, closers[k]))
        return true;
    bool line_end = missing_before(m->p, &m->at), starts = m->found == YYSYMBOL_NAME || m->found == YYSYMBOL_NUMBER || m->found == YYSYMBOL_STRING;
    if (!hint && comma && starts && !line_end)
        hint = "is a ',' missing before this?";
    diag_error_hint(m->p->diag, m->at, NULL, NULL, hint, "expected %s%s before %s", comma ? "',' or " : "", closers[k], m->is);
    return true;
}

static bool is_no_value(struct misfit *m)
{
    if (!expects_value(m))
        return false;
    diag_error_hint(m->p->diag, m->at, NULL, NULL, value_hint(m->p, m->at, m->is), "expected a value before %s", m->is);
    return true;
}

/* '-' within what would be a name. */
static bool is_among_letters(const struct misfit *m)
{
    const char *here = text_at(m->p->text, m->at);
    return here > m->p->text && strchr(WORD_LETTERS "0123456789", here[-1]) && here[1] && strchr(WORD_LETTERS "0123456789", here[1]);
}

static bool belongs_elsewhere(struct misfit *m)
{
    const char *scan = scan_hint(m->p, m->at, expects(m, YYSYMBOL_IN)), *hint = statement_hint(m->p, m->at);
    struct text t = text_make(m->p->arena);

    hint = hint ? hint : scan;
    if (expects_word(m, "'='") && carry_hint(m->p, m->at))
        hint = carry_hint(m->p, m->at);
    if (!strcmp(m->is, "'-'") && is_among_letters(m))
        hint = "a name has letters, digits and '_' alone";
    for (int i = 0; i < m->count && m->count <= FEW; i++)
        text_add(&t, "%s%s", !i ? "" : i == m->count - 1 ? " or " : ", ", yysymbol_name(m->expected[i]));
    if (m->count > 0 && m->count <= FEW)
        diag_error_hint(m->p->diag, m->at, text_string(&t), m->is, hint, "expected %s, found %s", text_string(&t), m->is);
    else
        diag_error_hint(m->p->diag, m->at, NULL, NULL, hint, "%s does not belong here", m->is);
    return true;
}

/* What a reader would say: what was expected where that is little, and what stands there. */
static int yyreport_syntax_error(const yypcontext_t *context, void *scanner, struct parse *p)
{
    static bool (*const said[])(struct misfit *m) = { /* by the first that applies */
        ends_too_early,   is_said,             is_comment,     is_foreign_word,     is_marked_string,
        is_formed_name,   is_bound_keyword,    starts_no_statement, starts_no_item, is_keyword_for_name,
        gives_tensor_a_kind, misses_semicolon, misses_closer,  is_no_value,         belongs_elsewhere,
    };
    struct misfit m = { .p = p, .at = *yypcontext_location(context), .found = yypcontext_token(context) };

    (void)scanner;
    p->failed = true;
    m.is = m.found == YYSYMBOL_YYEMPTY ? "nothing" : yysymbol_name(m.found);
    m.count = yypcontext_expected_tokens(context, m.expected, ALL_SYMBOLS);
    for (size_t i = 0; !said[i](&m); i++)
        ;
    return 0;
}

/* ---- trees ---- */

struct ast *ast_new(struct parse *p, enum ast_kind kind, struct place at)
{
    struct ast *x = NEW(p->arena, struct ast);
    x->kind = kind;
    x->at = at;
    x->text = "";
    return x;
}

struct ast *ast_text(struct parse *p, enum ast_kind kind, struct place at, const char *text)
{
    struct ast *x = ast_new(p, kind, at);
    x->text = text;
    return x;
}

static void deepen(struct parse *p, struct ast *x, const struct ast *child)
{
    if (!child || child->depth < x->depth)
        return;
    x->depth = child->depth + 1;
    if (x->depth == 20 * MAX_NESTING) {
        diag_error(p->diag, x->at, "nested too deep: the limit is %d", 20 * MAX_NESTING);
        p->failed = true;
    }
}

struct ast *ast_two(struct parse *p, enum ast_kind kind, struct place at, struct ast *a, struct ast *b)
{
    struct ast *x = ast_new(p, kind, at);
    x->a = a;
    x->b = b;
    deepen(p, x, a);
    deepen(p, x, b);
    return x;
}

struct ast *ast_add(struct parse *p, struct ast *list, struct ast *item)
{
    void *items = list->item;
    arena_grow(p->arena, &items, &list->capacity, (size_t)list->items + 1, sizeof *list->item);
    list->item = items;
    list->item[list->items++] = item;
    deepen(p, list, item);
    return list;
}

struct ast *parse_file(struct arena *a, struct names *names, struct diag *d, const char *file, const char *text)
{
    struct parse p = { .arena = a, .names = names, .diag = d, .file = file, .text = text, .line = 1, .column = 1 };
    int before = diag_errors(d);
    yyscan_t scanner;
    if (yylex_init_extra(&p, &scanner))
        bug("no memory for the scanner");
    yy_scan_string(text, scanner);
    int status = yyparse(scanner, &p);
    yylex_destroy(scanner);
    if (status == 2 && !p.failed)
        diag_error(d, (struct place){ file, p.line, p.column, 0 }, "nested too deep");
    return status || p.failed || diag_errors(d) > before ? NULL : p.result;
}
