/*
id: data_checks
title: Checks of the last run
version: 1
owner: finops-ledger
why: The checks that guard the numbers, with their newest result. A failed check of grade "stop" means that nothing was published.
reads: [ops.checks]
columns:
  CheckId: The file in queries/checks/
  Grade: stop or warn
  Passed: Whether the data are as they should be
  Detail: What was found
*/
WITH newest AS (
    SELECT check_id, max_by(run_id, checked_at) AS run_id
    FROM ops.checks
    GROUP BY check_id
),
data_checks AS (
    SELECT DISTINCT
        checks.check_id AS CheckId,
        checks.grade AS Grade,
        checks.passed AS Passed,
        checks.detail AS Detail
    FROM ops.checks AS checks
    JOIN newest ON newest.check_id = checks.check_id AND newest.run_id IS NOT DISTINCT FROM checks.run_id
)
SELECT * FROM data_checks
ORDER BY Passed, CheckId, Detail
