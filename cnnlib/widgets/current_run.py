"""The last run of this kernel, to be found again: by a reader whose page was closed or loaded anew while it went on.

A page that is loaded anew has forgotten what it showed, but the kernel has not, and trains on.
"""

_current = None


def set_current_run(run):
    """Let `last_run` return this run from now on: the record of a `fit`, or a playground."""
    global _current
    before, _current = _current, run
    if before is not run and hasattr(before, "let_go"):
        before.let_go()


def replace_current_run(before, after):
    """Let another object stand for the last run, if this one did."""
    if _current is before:
        set_current_run(after)


def last_run():
    """Return the run that is going on in this kernel, or else its last one; at the end of a cell, show it.

    After a page was closed or loaded anew: a panel appears again and trains on, with all its controls. A cell that
    blocks with `fit` has to end first, or be interrupted; then its chart is shown.

    Returns
    -------
    Fit or Playground
        `.history` is its record.

    Raises
    ------
    RuntimeError
        If nothing was trained on a page in this kernel yet.
    """
    if _current is None:
        raise RuntimeError(
            "no fit() and no panel has trained in this kernel yet. A kernel that is restarted forgets its runs; those "
            'with a file go on from it: run the cell with fit(…, checkpoint="results/run.pt") again.'
        )
    return _current
