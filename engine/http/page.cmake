# SPDX-License-Identifier: Apache-2.0
#
# Puts the files of engine/http/page/ into the program: run as a script (cmake -P) it writes a C
# file with their bytes, so that no tool but CMake is needed. Included, it adds that file to
# weir_http.
set(page_names index.html style.css app.js dom.js drift.js format.js graph.js parts.js)

if(CMAKE_SCRIPT_MODE_FILE)
  set(types.html "text/html; charset=utf-8")
  set(types.css "text/css; charset=utf-8")
  set(types.js "text/javascript; charset=utf-8")
  set(text "// Generated from engine/http/page/ by page.cmake.\n#include \"http/page.h\"\n")
  set(rows "")
  foreach(name ${page_names})
    file(READ ${FROM}/${name} hex HEX)
    string(LENGTH "${hex}" length)
    math(EXPR size "${length} / 2")
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
    string(MAKE_C_IDENTIFIER ${name} id)
    string(REGEX REPLACE ".*\\." "" ending ${name})
    string(APPEND text "static const unsigned char ${id}[] = {${bytes}0};\n")
    string(REPLACE "index.html" "" path ${name})
    string(APPEND rows "\t{\"/${path}\", \"${types.${ending}}\", ${id}, ${size}},\n")
  endforeach()
  file(WRITE ${TO} "${text}const struct page_file page_files[] = {\n${rows}\t{0}\n};\n")
  return()
endif()

set(page_from ${CMAKE_SOURCE_DIR}/engine/http/page)
set(page_to ${CMAKE_BINARY_DIR}/page.c)
list(TRANSFORM page_names PREPEND ${page_from}/ OUTPUT_VARIABLE page_files)
add_custom_command(OUTPUT ${page_to}
  COMMAND ${CMAKE_COMMAND} -DFROM=${page_from} -DTO=${page_to} -P ${CMAKE_CURRENT_LIST_FILE}
  DEPENDS ${page_files} ${CMAKE_CURRENT_LIST_FILE} VERBATIM)
target_sources(weir_http PRIVATE ${page_to})
