# SPDX-License-Identifier: Apache-2.0
"""Spark, for suites that let it read files. `.ci/deps spark` puts it into the cache, being large; .ci/run, which
sets WEIR_SPARK=required, cannot do without."""
import importlib.util
import os
import sys

HOW = ".ci/deps spark gets it, 330 MB"


def there():
    """Whether pyspark can be imported from now on. tests/run shows lines that begin so."""
    cache = os.environ.get("WEIR_CACHE") or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "weir")
    sys.path.append(os.path.join(cache, "spark"))
    if importlib.util.find_spec("pyspark"):
        return True
    if os.environ.get("WEIR_SPARK") == "required":
        raise RuntimeError(f"Spark is not there, and here it has to be: {HOW}")
    print(f"not run: what Spark reads ({HOW})", flush=True)
    return False


def session(where):
    """One thread, times in UTC, nothing written outside the folder."""
    from pyspark.sql import SparkSession
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    builder = SparkSession.builder.master("local[1]")
    for key, value in {"spark.sql.session.timeZone": "UTC", "spark.ui.enabled": "false",
                       "spark.ui.showConsoleProgress": "false",
                       "spark.sql.warehouse.dir": os.path.join(where, "warehouse")}.items():
        builder = builder.config(key, value)
    return builder.getOrCreate()


def end(it):
    """Stops it, and waits until its Java process is gone."""
    from pyspark import SparkContext
    it.stop()
    gateway = SparkContext._gateway
    gateway.shutdown()
    gateway.proc.stdin.close()
    gateway.proc.wait(60)
    SparkContext._gateway = SparkContext._jvm = None
