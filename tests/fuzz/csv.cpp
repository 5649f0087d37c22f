// Files of contacts, cut into rows and back.
#include <span>

#include "engine/files/contact_columns.h"
#include "engine/files/csv.h"
#include "tests/fuzz/target.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace onward;
  CsvReader reader{pieces_of(text_of(data, size))};
  CsvRow row;
  std::vector<ContactColumn> columns;
  while (reader.next(row)) {
    if (row.fault) {
      must(row.cells.empty() && !row.fault->message.empty(), "a row that is none says why");
      continue;
    }
    // Below a header: a first line may name the file's delimiter ("sep=;").
    const std::string written = csv_row(std::vector<std::string>{"header"}) + csv_row(row.cells);
    CsvReader second{pieces_of(written), ','};
    CsvRow again;
    const bool blank = row.cells.size() == 1 && row.cells[0].empty();
    if (!blank)
      must(second.next(again) && second.next(again) && again.cells == row.cells,
           "a row is written as it was read");
    if (columns.empty()) {
      if (auto matched = match_columns(row.cells, {}, true)) columns = std::move(*matched);
      continue;
    }
    if (row.cells.size() == columns.size()) (void)contact_of(columns, row.cells, {});
  }
  return 0;
}
