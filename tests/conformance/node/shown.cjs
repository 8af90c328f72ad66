// What croutonjs shows of a BMLT root server: one JSON array of its rows, each of name, day and time.
// Arguments: the folder in which the modules are, and the root server without a slash at its end.
// Nothing but that server is asked for anything: no map, no theme.
"use strict"

const { readFileSync } = require("node:fs")
const { createRequire } = require("node:module")

const [folder, root] = process.argv.slice(2)
const installed = createRequire(`${folder}/`)
const { JSDOM, ResourceLoader, VirtualConsole } = installed("jsdom")

class OfRootServer extends ResourceLoader {
  fetch(url, options) {
    return url.startsWith(`${root}/`) ? super.fetch(url, options) : null
  }
}

const virtualConsole = new VirtualConsole()
virtualConsole.on("jsdomError", (error) => {
  console.error(error)
  process.exit(1)
})

const { window } = new JSDOM('<!doctype html><body><div id="bmlt-tabs"></div></body>', {
  url: root,
  runScripts: "dangerously", // JSONP is scripts
  resources: new OfRootServer(),
  virtualConsole,
})

function write() {
  const text = (row, place) => row.querySelector(place).textContent.trim()
  const rows = [...window.document.querySelectorAll(".bmlt-data-row")]
  const places = [".meeting-name", ".bmlt-day", ".bmlt-time-2"]
  process.stdout.write(JSON.stringify(rows.map((row) => places.map((place) => text(row, place)))))
  window.close()
}

window.eval(readFileSync(installed.resolve("@bmlt-enabled/croutonjs/crouton.js"), "utf8"))
window.crouton = new window.Crouton({
  root_server: root,
  service_body: ["3"],
  time_format: "HH:mm",
  theme: "",
  custom_css: "",
  show_map: false,
  noMap: true,
  on_complete: write,
})
window.crouton.render()
