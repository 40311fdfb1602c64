/* frontend/meant.h: hints of what was meant where a file cannot be read; NULL: there is none. */
#ifndef FRONTEND_MEANT_H
#define FRONTEND_MEANT_H

#include "frontend/ast.h"

#define WORD_LETTERS  "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_"
#define NUMBERED_HINT "the number of one of several stands in brackets: %s"
#define BEGINS_HINT   "what a parameter begins as is said where its layer is made: weight_init, bias_init"
#define COMMENT_HINT  "a comment starts with '#'"
#define SCHEDULE_HINT                                                                                                  \
    "the rate follows steps, in the optimizer's call: 'optimizer sgd(lr = step(0.1, every = 1000, gamma = 0.5));'"

const char *text_at(const char *text, struct place at);
struct place place_in(const struct parse *p, const char *here); /* of one character */
const char *statement_start(const char *text, const char *end); /* of the one that `end` lies in */
const char *word_before(const struct parse *p, const char *end, size_t *length);
bool goes_on_as_name(const struct parse *p, struct place at); /* what follows a word */
bool first_of_line(const struct parse *p, struct place at);
/* Moves the place of what begins or closes something, and is the first of its line, behind the end of what stands before. */
bool missing_before(const struct parse *p, struct place *at);
bool is_foreign_module(const char *word);      /* foreign.c */
const char *optimizer_named(const char *word); /* optim.c: the one that is spelt like this */
bool is_keyword_word(const char *word);        /* lexer.l */
const char *element_named(const char *word);   /* expr.c: the element type that a word of this or another language is */
struct builtin;
const struct builtin *builtin_find(const char *name); /* builtin.c */
/* conv_{i}, as names of several are formed elsewhere: "conv[i]"; NULL of other texts. *end: behind it. */
const char *numbered_name(struct arena *a, const char *text, const char **end);
const char *numbered_hint(struct arena *a, const char *text); /* where the whole text is one */

/* found: the token, in words; within: it is known to stand in the parentheses, or brackets. */
const char *keyword_form(const char *word, size_t length); /* how the statement is written that a keyword begins */
/* Of `loss.backward()`, by what stands behind the keyword; NULL where that is no member. */
const char *keyword_member_hint(const struct parse *p, struct place at);
const char *bound_keyword_hint(struct parse *p, struct place at);   /* of optimizer = Adam(...), at its keyword */
const char *bound_member_hint(struct parse *p, const char *member); /* of x.member = ... */
const char *keyword_hint(struct parse *p, struct place at);
/* The word of another language before what is found at this place, or the word that stands there: it, its place and its hint. */
const char *foreign_word(struct parse *p, struct place *at, const char **hint);
const char *semicolon_hint(struct parse *p, struct place *at); /* at: moved to where it is missing */
const char *statement_hint(struct parse *p, struct place at);
const char *scan_hint(struct parse *p, struct place at, bool within);
const char *carry_hint(struct parse *p, struct place at);
const char *argument_hint(struct parse *p, struct place at, const char *found);
const char *slice_hint(struct parse *p, struct place at, const char *found, bool within);
bool is_new_axis(const char *text); /* None, newaxis: what makes an axis, in brackets */
/* bracket.c: tensor[:, 0] in operations; inside: what stands behind '[', up to its ']'. At `here` something within them. */
const char *brackets_hint(struct arena *a, const char *object, const char *inside);
const char *brackets_hint_at(const struct parse *p, const char *here);
const char *value_hint(struct parse *p, struct place at, const char *found);
/* keyword: it is no name; backward: a backward part may stand there. */
const char *item_hint(struct parse *p, struct place at, bool keyword, bool backward);

/* spelt.c: what cannot be read, as it is written here; NULL: there is no saying. start: of the statement. */
const char *spelt_statement(struct parse *p, const char *start);
const char *spelt_bound(struct parse *p, const char *keyword); /* loss = ... */
const char *spelt_choice(struct parse *p, const char *here);   /* a if c else b, at its `if` */
const char *spelt_formals(struct parse *p, const char *here);  /* block b(x, k = 3), at its '=' */
const char *spelt_return(struct parse *p, const char *brace);  /* the last value of a block without `return` and ';' */
/* linear 32 for linear(32); here: what stands behind the name. */
const char *spelt_call(struct parse *p, const char *here);
const char *open_bracket(const struct parse *p, const char *here); /* the innermost of the statement, round or square */

#endif
