// Package bulk takes many resources out of a gateway and into it: FHIR bulk
// export (Bulk Data Access 2, asynchronous pattern) and the import of NDJSON.
//
// What the package promises:
//   - An export shows one moment, whatever is written meanwhile, as far as its
//     client sees it on the day each file is fetched: nothing lies in files, so
//     what was taken away from a client is not in what it fetches.
//   - Each page of a file is audited, with the patients it is about, before it is
//     sent. A file that could not be sent to its end is cut off, never ended.
//   - An export survives the end of the process that prepares it.
//   - An import stores each batch whole with its audit entry and with how far it
//     came, so that it goes on after a kill without doing anything twice. A line
//     with faults is reported by its number and left out.
//   - What is imported brings its ids. It starts no workflow: an existing record
//     carries its own Tasks.
package bulk
