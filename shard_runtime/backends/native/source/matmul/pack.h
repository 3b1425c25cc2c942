// SPDX-License-Identifier: Apache-2.0
// Packed matrices: how rows get in, and out again.
#pragma once
#include "views.h"

namespace teetee {

int64_t matrix_bytes(int64_t rows, int64_t columns, int32_t precision);
// Everything zero, so that what lies beyond the matrix adds nothing.
void clear(const Matrix& matrix);
// Rows [first, first + count) from float32 (count, columns). False: one is not finite, or too large
// for a float16 scale.
bool put_rows(const Matrix& matrix, int64_t first, int64_t count, const float* numbers);
// What the matrix holds of one row, (columns,).
void get_row(const Matrix& matrix, int64_t row, float* numbers);

}  // namespace teetee
