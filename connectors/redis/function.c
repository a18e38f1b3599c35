/* SPDX-License-Identifier: Apache-2.0
 *
 * The server-side half of the guard, in Redis's Lua. One call is atomic.
 *
 *   FCALL weir_put_2 <rows + 1> <row key>... <record key>
 *     <version> <repair token or ""> <1: the repair's first put, or 0>
 *     <the record must not be below this> <offsets; "": not the epoch's last call>
 *     then per row: <expires, ms; 0: never> <the hash, as RESTORE takes it; _v is in it>
 *   -> [rows written, rows refused, enum online_answer of the record]
 *
 * The same rules in C are online_guard and online_row_allowed (run/online.h says why). Versions
 * are compared as text of one width. RESTORE of a row costs a third of DEL, HSET and PEXPIREAT:
 * most of those is words, made into strings thrice. A key of another type in our place is
 * replaced.
 */
#include "connectors/redis/function.h"

const char function_library[] =
        "#!lua name=weir_2\n"
        "local call, pcall\n"
        "local function record(key, version, token, first, prev, offsets)\n"
        "  local repair = token ~= ''\n"
        "  if repair and first == '1' then call('HSET', key, 'r', token) end\n"
        "  if offsets == '' then\n"
        "    if repair and call('HGET', key, 'r') ~= token then return 3 end\n"
        "    return 0\n"
        "  end\n"
        "  local stored = call('HGET', key, 'v') or ''\n"
        "  if stored > version then return 2 end\n"
        "  if repair then\n"
        "    if stored ~= version and call('HGET', key, 'r') ~= token then return 3 end\n"
        "    call('HDEL', key, 'r')\n"
        "  elseif stored < prev then return 3 end\n"
        "  call('HSET', key, 'v', version, 'o', offsets)\n"
        "  return 1\n"
        "end\n"
        "local function put(keys, args)\n"
        "  call, pcall = redis.call, redis.pcall\n"
        "  local version, token = args[1], args[2]\n"
        "  local at, written, refused = 6, 0, 0\n"
        "  for i = 1, #keys - 1 do\n"
        "    local key = keys[i]\n"
        "    local stored = pcall('HGET', key, '_v')\n"
        "    if type(stored) ~= 'string' or stored < version\n"
        "        or (token ~= '' and stored == version) then\n"
        "      call('RESTORE', key, args[at], args[at + 1], 'REPLACE', 'ABSTTL')\n"
        "      written = written + 1\n"
        "    else\n"
        "      refused = refused + 1\n"
        "    end\n"
        "    at = at + 2\n"
        "  end\n"
        "  return {written, refused,\n"
        "    record(keys[#keys], version, token, args[3], args[4], args[5])}\n"
        "end\n"
        "redis.register_function('" FUNCTION_PUT "', put)\n";
