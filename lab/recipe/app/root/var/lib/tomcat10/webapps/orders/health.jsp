<%@ page contentType="application/json; charset=UTF-8" pageEncoding="UTF-8" session="false" import="java.io.*,java.nio.charset.StandardCharsets,java.nio.file.*,java.util.Properties" %><%
    Properties settings = new Properties();
    String path = System.getProperty("orders.config", "/etc/orders/orders.properties");
    try (Reader reader = Files.newBufferedReader(Path.of(path), StandardCharsets.UTF_8)) {
        settings.load(reader);
    } catch (IOException missing) {
        response.setStatus(503);
    }
    String site = settings.getProperty("orders.site");
    String status = site == null ? "DOWN" : "UP";
    String greeting = settings.getProperty("orders.greeting", "").replace("\"", "'");
%>{"status": "<%= status %>", "application": "orders", "site": "<%= site %>", "greeting": "<%= greeting %>"}
