/* ir/winograd.c: see winograd.h. */
#include "ir/winograd.h"

#define P 0.70710678118654752440
#define Q 1.41421356237309504880

static const struct winograd forms[] = {
    {
        .tile = 2,
        .kernel = 3,
        .points = 4,
        .in = { 4, 4, true, { { -1, 0, 1, 0 }, { 0, 1, 1, 0 }, { 0, -1, 1, 0 }, { 0, -1, 0, 1 } } },
        .weight = { 4, 3, true, { { -1, 0, 0 }, { 0.5, 0.5, 0.5 }, { 0.5, -0.5, 0.5 }, { 0, 0, 1 } } },
        .out = { 2, 4, false, { { 1, 1, 1, 0 }, { 0, 1, -1, 1 } } },
    },
    {
        .tile = 4,
        .kernel = 3,
        .points = 6,
        .in = { 6,
                6,
                true,
                { { 1, 0, -2.5, 0, 1, 0 },
                  { 0, -Q, -2, P, 1, 0 },
                  { 0, Q, -2, -P, 1, 0 },
                  { 0, -P, -0.5, Q, 1, 0 },
                  { 0, P, -0.5, -Q, 1, 0 },
                  { 0, 1, 0, -2.5, 0, 1 } } },
        .weight = { 6,
                    3,
                    true,
                    { { 1, 0, 0 },
                      { -2.0 / 3, -2 * P / 3, -1.0 / 3 },
                      { -2.0 / 3, 2 * P / 3, -1.0 / 3 },
                      { 1.0 / 6, Q / 6, 1.0 / 3 },
                      { 1.0 / 6, -Q / 6, 1.0 / 3 },
                      { 0, 0, 1 } } },
        .out = { 4,
                 6,
                 false,
                 { { 1, 1, 1, 1, 1, 0 },
                   { 0, P, -P, Q, -Q, 0 },
                   { 0, 0.5, 0.5, 2, 2, 0 },
                   { 0, P / 2, -P / 2, 2 * Q, -2 * Q, 1 } } },
    },
    {
        .tile = 2,
        .kernel = 5,
        .points = 6,
        .in = { 6,
                6,
                true,
                { { 1, 0, -2.5, 0, 1, 0 },
                  { 0, -Q, -2, P, 1, 0 },
                  { 0, Q, -2, -P, 1, 0 },
                  { 0, -P, -0.5, Q, 1, 0 },
                  { 0, P, -0.5, -Q, 1, 0 },
                  { 0, 1, 0, -2.5, 0, 1 } } },
        .weight = { 6,
                    5,
                    true,
                    { { 1, 0, 0, 0, 0 },
                      { -2.0 / 3, -2 * P / 3, -1.0 / 3, -P / 3, -1.0 / 6 },
                      { -2.0 / 3, 2 * P / 3, -1.0 / 3, P / 3, -1.0 / 6 },
                      { 1.0 / 6, Q / 6, 1.0 / 3, Q / 3, 2.0 / 3 },
                      { 1.0 / 6, -Q / 6, 1.0 / 3, -Q / 3, 2.0 / 3 },
                      { 0, 0, 0, 0, 1 } } },
        .out = { 2, 6, false, { { 1, 1, 1, 1, 1, 0 }, { 0, P, -P, Q, -Q, 1 } } },
    },
};

bool winograd_form(int64_t tile, int64_t kernel, struct winograd *w)
{
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        if (forms[i].tile != tile || forms[i].kernel != kernel)
            continue;
        *w = forms[i];
        return true;
    }
    return false;
}

struct winograd_matrix winograd_transposed(const struct winograd_matrix *m)
{
    struct winograd_matrix t = { .rows = m->columns, .columns = m->rows, .down = !m->down };

    for (int i = 0; i < m->rows; i++) {
        for (int k = 0; k < m->columns; k++)
            t.at[k][i] = m->at[i][k];
    }
    return t;
}

int64_t winograd_part(int64_t samples, int64_t parts)
{
    return (samples + parts - 1) / parts;
}
