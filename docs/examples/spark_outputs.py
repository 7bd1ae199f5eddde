"""Read Explorer results as Spark DataFrames."""

from pyspark.sql import SparkSession

import explorer_frames.spark

spark = SparkSession.builder.getOrCreate()
explorer_frames.spark.register(spark)

sample = spark.read.format("explorer").options(job_id="107", task_id="a8f026f2").load()
output = spark.read.format("explorer_output").options(schema="PageRank")
full = output.load("hdfs://lake/outputs/107/a8f026f2")

full.join(sample, "id", "left_anti").show()  # rows that the sample does not contain
