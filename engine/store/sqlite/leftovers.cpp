#include "engine/store/sqlite/leftovers.h"

#include <cstdint>

#include "engine/store/sqlite/page_scrub.h"

namespace onward {
void remove_leftovers(OwnedDatabase& database, const SqliteOptions& options) {
  SQLite::Database& connection = database.connection();
  const auto done = [&] {
    return Query{connection, "SELECT 1 FROM meta WHERE name = 'scrubbed'"}().next();
  };
  if (done() || database.descriptor() < 0 || !database.checkpoints().truncate()) return;
  const auto pages = scrub_file(database.descriptor());
  if (!pages) throw Fault{pages.error()};
  if (options.durable) database.checkpoints().sync_database();
  sqlite3_db_release_memory(connection.getHandle());
  const Status noted = database.writing([&] {
    database.transact([&] { Query{connection, "INSERT INTO meta VALUES ('scrubbed', 1)"}.run(); });
  });
  if (!noted && noted.error().kind != ErrorKind::Unavailable) throw Fault{noted.error()};
  if (*pages > 0 && options.log)
    options.log({"store.leftovers_erased", {{"pages", static_cast<std::int64_t>(*pages)}}});
}
}  // namespace onward
