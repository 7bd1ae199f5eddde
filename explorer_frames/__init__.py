"""NebulaGraph Explorer results as typed pandas DataFrames, Arrow tables, Parquet and Feather."""

import lazy_loader

# Names are imported on first use. Otherwise, the command line and the pytest plugin would load pandas and pyarrow on
# each start. Type checkers read the names from `__init__.pyi`.
__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["errors", "schemas"],
    submod_attrs={
        "_client": ["Explorer"],
        "_compare.compare": ["compare"],
        "_compare.comparison": ["Comparison"],
        "_doctor.finding": ["Diagnosis", "Finding"],
        "_files.inspection": ["read_provenance", "provenance", "show", "verify_file"],
        "_files.write": ["Receipt", "write_feather", "write_parquet"],
        "_functions": [
            "export_sample_result",
            "history",
            "open_sample_result",
            "read_sample_result",
            "read_sample_result_arrow",
            "sync_workflow",
        ],
        "_jobs.job": ["Job"],
        "_jobs.task": ["Task"],
        "_outputs.output": ["export_output", "open_output", "read_output", "read_output_arrow"],
        "_plot.plot": ["plot_result"],
        "_provenance": ["Provenance"],
        "_sync.lake": ["lake_dataset", "read_lake"],
        "_sync.report": ["SyncReport"],
        "_tables.delta": ["write_delta"],
        "_tables.iceberg": ["append_iceberg"],
        "_tables.table": ["TableReceipt"],
        "_version": ["__version__"],
        "errors": [
            "ConfigFileWarning",
            "ExplorerFramesError",
            "HistoryGapWarning",
            "SchemaWarning",
            "TruncatedResultWarning",
            "UnencryptedWarning",
        ],
    },
)
