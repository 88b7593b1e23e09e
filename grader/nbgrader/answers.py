"""From nbgrader's source notebook to its release: answers are emptied as the stubs' are."""

from typing import Any

from nbgrader.preprocessors import ClearSolutions

from grader.source.markers import BEGIN, emptied


class EmptyAnswers(ClearSolutions):
    """In the place of nbgrader's `ClearSolutions`, which publishes what it does not recognise: a doubtful marker is an error."""

    def preprocess_cell(self, cell: Any, resources: Any, index: int) -> tuple[Any, Any]:
        """Empty the answers of a cell; one without our markers is nbgrader's business."""
        marks = cell.metadata.get("nbgrader", {})
        if cell.cell_type == "code" and marks.get("solution") and BEGIN in cell.source:
            cell.source = emptied(cell.source, marks.get("grade_id", f"cell {index + 1}"))
            return cell, resources
        return super().preprocess_cell(cell, resources, index)
