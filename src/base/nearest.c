#include "base/nearest.h"

#include <string.h>

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

size_t azr_name_distance(const char *a, const char *b)
{
    size_t n_a = strnlen(a, AZR_NEAREST_MAX_NAME), n_b = strnlen(b, AZR_NEAREST_MAX_NAME);
    /* Three rows of the usual table: i - 2, i - 1 and i. */
    size_t rows[3][AZR_NEAREST_MAX_NAME + 1];
    for (size_t j = 0; j <= n_b; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= n_a; i++) {
        size_t *row = rows[i % 3], *above = rows[(i + 2) % 3], *two_above = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= n_b; j++) {
            size_t replace = above[j - 1] + (a[i - 1] != b[j - 1]);
            row[j] = least(replace, least(above[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = least(row[j], two_above[j - 2] + 1);
        }
    }
    return rows[n_a % 3][n_b];
}

void azr_nearest_offer(azr_nearest *nearest, const char *name)
{
    size_t distance = azr_name_distance(nearest->wanted, name);
    if (nearest->name != NULL && distance >= nearest->distance)
        return;
    nearest->name = name;
    nearest->distance = distance;
}
