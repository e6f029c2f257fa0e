<?php
// Counts and sums a tester compares before and after the move.
require dirname(__DIR__) . '/lib.php';
header('Content-Type: application/json; charset=utf-8');
try {
    $db = shop_db();
    $answer = ['status' => 'ok'];
    foreach (['customers', 'products', 'orders', 'order_items', 'payments'] as $table) {
        $answer[$table] = (int) $db->query("SELECT COUNT(*) FROM `$table`")->fetch_row()[0];
    }
    $answer['turnover'] = $db->query('SELECT CAST(SUM(total) AS CHAR) FROM orders')->fetch_row()[0];
    $answer['sample'] = $db->query('SELECT name FROM customers ORDER BY id LIMIT 1')->fetch_row()[0];
} catch (mysqli_sql_exception $error) {
    http_response_code(503);
    error_log($error->getMessage());
    $answer = ['status' => 'error', 'error' => 'the database does not answer'];
}
echo json_encode($answer, JSON_UNESCAPED_UNICODE), "\n";
