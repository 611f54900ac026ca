<?php
// What PHP was told of the request. Bytes that are no UTF-8 end in an error.
header('Content-Type: application/json');
header('Cache-Control: no-store');
echo json_encode($_SERVER, JSON_THROW_ON_ERROR);
