// SPDX-License-Identifier: Apache-2.0
// Writing rows into packed matrices, and reading them back.
#pragma once
#include "views.h"

namespace teetee {

int64_t matrix_bytes(int64_t rows, int64_t columns, int32_t precision);
// Sets everything to zero, so that the padding adds nothing.
void clear_matrix(const Matrix& matrix);
// Writes rows [first, first + count) from float32 (count, columns). Returns false if a number is not
// finite or too large for a float16 scale.
bool put_rows(const Matrix& matrix, int64_t first, int64_t count, const float* numbers);
// Reads one row, (columns,).
void get_row(const Matrix& matrix, int64_t row, float* numbers);

}  // namespace teetee
