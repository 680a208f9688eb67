"""Grids go on where they were."""

from unigurd_trainer.ablation.grid import fill, read


def test_finished_cells_are_not_measured_again(tmp_path):
    out = tmp_path / "grid.jsonl"
    asked = []

    def measure(cell):
        asked.append(cell["size"])
        if cell["size"] == 2 and len(asked) == 2:
            raise KeyboardInterrupt
        return {"auc": cell["size"] / 10}

    cells = [{"size": size} for size in (1, 2, 3)]
    try:
        fill(cells, measure, out)
    except KeyboardInterrupt:
        pass
    with out.open("a") as file:
        file.write('{"cell": {"si')  # a kill within a line
    assert fill(cells, measure, out) == 2
    assert asked == [1, 2, 2, 3]
    assert [row["measured"]["auc"] for row in read(out)] == [0.1, 0.2, 0.3]
